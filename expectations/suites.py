"""Suites as written in YAML: rules for rows, and rules for a partition as a whole.

A partition's rules are about one row of `metrics` (SQL aggregates over the partition's rows). So every rule is a
row-wise one for Great Expectations: a range of partitions is validated in one pass, and each gets its own verdict.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from expectations.rule_catalog import RULES, arguments
from sixtyforty.spec.base import Wrong
from sixtyforty.spec.errors import Mistake, Mistakes, parse, told
from sixtyforty.spec.sources import Source

HERE = Path(__file__).parent
PERSONAL = "(personal data)"  # stands for a column that isn't told of
Severity = Literal["critical", "warning", "info"]


class Rule(BaseModel):
    """One expectation. `why` tells the reader of a failure what it means and what to do."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="Great Expectations type, in snake case; a row-wise (map) one.")
    severity: Severity = Field(
        description="critical: quarantines rows, rejects partitions. warning: shown. info: recorded."
    )
    kwargs: dict[str, Any] = Field(description="Its arguments; value_set may be {source: …, column: …}.")
    why: str = Field(description="What it means when it fails.")
    at: Literal["always", "close"] = Field(
        default="always", description="close: only once the partition's day is over."
    )

    @property
    def columns(self) -> list[str]:
        """The columns it is about."""
        k = self.kwargs
        return [c for c in [k.get("column"), k.get("column_A"), k.get("column_B"), *k.get("column_list", [])] if c]

    @property
    def column(self) -> str:
        """The column or columns it is about, as text."""
        return ", ".join(self.columns)

    @property
    def title(self) -> str:
        """Short text for tables: what is expected."""
        skip = {"column", "column_A", "column_B", "column_list", "condition_parser"}
        told = ", ".join(f"{k}={v}" for k, v in self.kwargs.items() if k not in skip)
        return f"{self.type.removeprefix('expect_')}({told})"[:160]

    def told(self, unspoken: set[str]) -> Rule:
        """The rule as people may read of it: without the names of unspoken columns, and without values of theirs."""
        if not unspoken & set(self.columns):
            return self
        named = {k: PERSONAL for k in ("column", "column_A", "column_B") if self.kwargs.get(k) in unspoken}
        listed = {
            "column_list": [PERSONAL if c in unspoken else c for c in self.kwargs.get("column_list", [])],
            "value_set": [PERSONAL],
        }
        return self.model_copy(
            update={"kwargs": self.kwargs | named | {k: v for k, v in listed.items() if k in self.kwargs}}
        )


class PartitionRules(BaseModel):
    """Rules about a partition as a whole."""

    model_config = ConfigDict(extra="forbid")
    metrics: dict[str, str] = Field(default_factory=dict, description="Name to SQL aggregate over its rows.")
    rules: list[Rule] = Field(default_factory=list)


class Suite(BaseModel):
    """The expectations of one source, or of the features."""

    model_config = ConfigDict(extra="forbid")
    about: str = Field(description="What the suite guards.")
    rows: list[Rule] = Field(default_factory=list)
    partition: PartitionRules = Field(default_factory=PartitionRules)


def unspoken(suite: Suite, source: Source) -> set[str]:
    """The personal columns of a source, and whatever is derived or measured from them."""
    found = set(source.personal)
    for name, sql in {**source.derived, **suite.partition.metrics}.items():
        if any(re.search(rf"\b{re.escape(column)}\b", sql) for column in found):
            found.add(name)
    return found


def wrongs(suite: Suite, columns: Collection[str] | None, others: Mapping[str, Collection[str]]) -> Iterator[Wrong]:
    """What can't be run of a suite: rules, arguments and columns that don't exist.

    columns: those its rows have, None where nobody knows them; others: the columns of all sources, by source.
    """
    for at, rules, there in (
        ("rows", suite.rows, columns),
        ("partition.rules", suite.partition.rules, list(suite.partition.metrics)),
    ):
        for n, rule in enumerate(rules):
            if rule.type not in RULES:
                yield Wrong(f"{at}.{n}.type", f"there is no row-wise rule '{rule.type}'", rule.type, RULES)
                continue
            needed, taken = arguments(rule.type)
            for name in rule.kwargs:
                if name not in taken:
                    yield Wrong(f"{at}.{n}.kwargs.{name}", f"is no argument of {rule.type}", name, taken)
            for name in needed:
                if name not in rule.kwargs and not get_close_matches(name, rule.kwargs.keys() - set(taken)):
                    yield Wrong(f"{at}.{n}.kwargs", f"of {rule.type} need {name}", None, needed)
            for key in ("column", "column_A", "column_B", "column_list"):
                for column in _listed(rule.kwargs.get(key)):
                    if there is not None and column not in there:
                        what = "column" if at == "rows" else "metric"
                        yield Wrong(f"{at}.{n}.kwargs.{key}", f"there is no {what} '{column}'", column, there)
            yield from _reference(f"{at}.{n}.kwargs.value_set", rule.kwargs.get("value_set"), others)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _reference(field: str, values: Any, others: Mapping[str, Collection[str]]) -> Iterator[Wrong]:
    """Of a value_set that names another source's column."""
    if isinstance(values, dict):
        source, column = str(values.get("source")), str(values.get("column"))
        if source not in others:
            yield Wrong(field, f"names the source '{source}', which isn't declared", source, others)
        elif column not in others[source]:
            yield Wrong(field, f"names the column '{column}', which {source} doesn't have", column, others[source])


def load(use_case: str, source: str) -> Suite:
    """The suite of a source. Raises FileNotFoundError, or Mistakes, naming the file."""
    suite, found = read(HERE / use_case / f"{source}.yaml")
    if suite is None or found:
        raise Mistakes(use_case, found)
    return suite


def read(path: Path) -> tuple[Suite | None, tuple[Mistake, ...]]:
    """A suite, None where it can't be told what is meant, and what is wrong with how it is written."""
    status = path.stat()
    return _read(path, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _read(path: Path, *_: int) -> tuple[Suite | None, tuple[Mistake, ...]]:
    """Parsed once for each file it ever was: looked at when it is declared, wired and run."""
    parsed = parse(path)
    if parsed.mistakes:
        return None, tuple(parsed.mistakes)
    found = [parsed.wrong(at, "can't be left for later: leave the rule out instead", "text") for at in parsed.blank]
    try:
        return Suite.model_validate({} if parsed.data is None else parsed.data), tuple(found)
    except ValidationError as error:
        return None, (*found, *told(parsed, Suite, error))
