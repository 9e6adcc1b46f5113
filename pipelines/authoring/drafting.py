"""What a profile suggests: a source for the declaration, and the rules of its suite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sixtyforty.ingest.profiling import Column, History, Profile
from sixtyforty.spec.errors import BLANK

PERSONAL = re.compile(r"e.?mail|phone|mobile|(first|last|sur|family|full).?name|address|birth|\bssn\b|iban", re.I)


@dataclass(frozen=True)
class Feed:
    """A source found among the extracts."""

    name: str
    files: str
    location: Path
    profile: Profile

    @property
    def history(self) -> History | None:
        """The time it comes by: the first column of time that no row lacks; None: a table taken whole."""
        return next((h for h in self.profile.histories if not self.profile.column(h.column).nulls), None)

    @property
    def sure(self) -> bool:
        """Whether a few columns tell its rows apart."""
        return bool(self.profile.keys)

    @property
    def key(self) -> list[str]:
        """Of those that do, the likeliest; without any, all columns."""
        return list(self.profile.keys[0]) if self.sure else [c.name for c in self.profile.columns]

    @property
    def plain(self) -> dict[str, Any]:
        """As the templates want it."""
        history = self.history
        by_day = history is None or history.kind == "DATE"
        said = history.sql if history else ""
        columns = [{"name": c.name, "kind": c.kind} for c in self.profile.columns]
        personal = [c.name for c in self.profile.columns if PERSONAL.search(c.name)]
        return {
            "name": self.name,
            "files": self.files,
            "location": as_yaml(str(self.location)),
            "key": [as_yaml(c) for c in self.key],
            "sure": self.sure,
            "others": " or ".join("+".join(k) for k in self.profile.keys[1:4]),
            "partition": history and as_yaml(said if by_day else f"local({said})::date"),
            "known_at": as_yaml(f"utc({said} + 1)" if by_day else said),
            "personal": [as_yaml(c) for c in personal],
            "null": self.profile.null,
            "columns": columns,
            "profile": self.profile,
        }


def as_yaml(value: str) -> str:
    """Text as YAML writes it in a mapping: quoted where it must be."""
    if value == BLANK:
        return f'"{value}"'
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).split("\n...")[0].strip()


def suite(feed: Feed) -> str:
    """Rules as the profile suggests them: what never was missing, doubled or out of range should stay so."""
    rules = [_rule("not_be_null", "critical", {"column": c}, f"a row without its {c}") for c in feed.key if feed.sure]
    if feed.sure:
        kind, what = (
            ("compound_columns_to_be_unique", {"column_list": feed.key})
            if len(feed.key) > 1
            else ("be_unique", {"column": feed.key[0]})
        )
        rules.append(_rule(kind, "critical", what, "one row reported twice with different contents"))
    for column in feed.profile.columns:
        if column.name not in feed.key or not feed.sure:
            rules += _of_column(column)
    metrics, partition = {"rows": "count(*)"}, []
    history = feed.history
    low, high = (
        (max(1, int(history.per_day / 4)), history.most * 2) if history and history.every == "day" else (1, None)
    )
    why = "few rows or many, beside what was usual: a part may be missing, or be there twice"
    partition.append(_rule("be_between", "critical", {"column": "rows", "min_value": 1}, "nothing came", "close"))
    if high:
        partition.append(
            _rule("be_between", "warning", {"column": "rows", "min_value": low, "max_value": high}, why, "close")
        )
    about = (
        f"Drafted from a profile of {feed.profile.rows:,} rows: a beginning, to be put into the words of the business."
    )
    return _dumped({"about": about, "rows": rules, "partition": {"metrics": metrics, "rules": partition}})


def _of_column(column: Column) -> list[dict[str, Any]]:
    found = []
    if not column.nulls:
        found.append(_rule("not_be_null", "warning", {"column": column.name}, "it never was missing before"))
    if column.numeric and column.low is not None:
        low, high = float(column.low), float(column.high)
        room = (high - low) / 2 or abs(high) or 1
        least = 0.0 if low >= 0 and low - room < 0 else low - room
        found.append(
            _rule(
                "be_between",
                "warning",
                {"column": column.name, "min_value": _round(least), "max_value": _round(high + room)},
                "far from what it ever was: another unit, or a typing error",
            )
        )
    elif column.kind == "VARCHAR" and len(column.values) > 1 and all(isinstance(v, str) for v in column.values):
        found.append(
            _rule(
                "be_in_set",
                "warning",
                {"column": column.name, "value_set": list(column.values)},
                "a value that never came before",
            )
        )
    return found


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _rule(kind: str, severity: str, kwargs: dict[str, Any], why: str, at: str = "always") -> dict[str, Any]:
    name = f"expect_{kind}" if kind.startswith("compound") else f"expect_column_values_to_{kind}"
    return {"type": name, "severity": severity, "kwargs": kwargs, "why": why} | ({"at": at} if at != "always" else {})


def bare_suite(what: str) -> str:
    why = "nothing came" if what != "features" else "no unit to decide about"
    rule = _rule("be_between", "critical", {"column": "rows", "min_value": 1}, why)
    about = f"Of the {what}: to be written."
    return _dumped({"about": about, "rows": [], "partition": {"metrics": {"rows": "count(*)"}, "rules": [rule]}})


def _dumped(suite: Mapping[str, Any]) -> str:
    """A suite with a rule a line."""
    lines = [f"about: {as_yaml(str(suite['about']))}"]
    for indent, name, rules in (("", "rows", suite["rows"]), ("  ", "rules", suite["partition"]["rules"])):
        if name == "rules":
            lines += [
                "partition:",
                f"  metrics: {yaml.safe_dump(suite['partition']['metrics'], default_flow_style=True).strip()}",
            ]
        lines.append(f"{indent}{name}:" + ("" if rules else " []"))
        for rule in rules:
            flow = yaml.dump(
                rule, Dumper=_Quoting, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
            )
            lines.append(f"{indent}  - {flow.strip()}")
    return "\n".join(lines) + "\n"


class _Quoting(yaml.SafeDumper):
    """Quotes a value that would read as a blank."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if text == BLANK else None)


_Quoting.add_representer(str, _Quoting.represent_text)
