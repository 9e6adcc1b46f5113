"""Find the declared fields that differ between two versions of a declaration, and the datasets to make again.

The versions are copies that `decisions/declaration_record.py` stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

ChangeKind = Literal[
    "payoff",
    "veto",
    "rule",
    "capacity",
    "review",
    "gate",
    "replay",
    "recipe",
    "SQL",
    "current process",
    "data",
    "decision",
]
Dataset = Literal["validated", "features", "outcomes", "models", "decisions"]

# By kind of change: the datasets that are made again after the change, in addition to the decisions.
REMADE_BY_KIND: dict[ChangeKind, tuple[Dataset, ...]] = {
    "replay": ("models",),
    "recipe": ("models",),
    "SQL": ("features", "models"),
    "current process": ("features", "models"),
    "decision": ("features", "outcomes", "models"),
    "data": ("features", "outcomes", "models"),
}
SQL_KINDS: dict[str, ChangeKind] = {"current_process": "current process"}


@dataclass(frozen=True)
class DeclaredChange:
    """A field whose content differs between two declarations.

    `before` and `after` are JSON values; None means not declared.
    `field`: the field, such as `kpi.actions.act.cost`, or a SQL file, such as `features.sql`.
    """

    field: str
    kind: ChangeKind
    before: Any
    after: Any

    @property
    def text(self) -> str:
        """The change in words, such as `kpi.actions.act.cost: 3 → 4 (payoff)`."""
        if self.kind == "rule":
            return f"{self.field}: has another value on past decisions (rule)"
        if self.field.endswith(".sql"):
            return f"{self.field}: changed ({self.kind})"
        return f"{self.field}: {_shown(self.before)} → {_shown(self.after)} ({self.kind})"

    @property
    def remade(self) -> set[Dataset]:
        """The datasets that must be built again because of the change."""
        if self.field == "outcomes.sql":
            return {"outcomes", "models", "decisions"}
        if self.kind == "rule":  # the rule of a candidate takes no decisions
            return set()
        remade: set[Dataset] = {"decisions", *REMADE_BY_KIND.get(self.kind, ())}
        if self.kind == "payoff" and isinstance(self.after, str):  # a payoff in SQL is a hidden column of the features
            remade |= {"features", "models"}
        if self.field.startswith("sources.") and not self.field.endswith(".known_at"):
            remade.add("validated")
        return remade


def find_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[DeclaredChange]:
    """Return the fields in which two declarations differ, in the order of the later declaration."""
    earlier, later = dict(_list_fields(before)), dict(_list_fields(after))
    changes = []
    for field in dict.fromkeys([*later, *earlier]):
        kind, content = later.get(field, (earlier.get(field, ("data", None))[0], None))
        previous = earlier.get(field, (kind, None))[1]
        is_use = field.startswith("sources.") and ".columns." in field and None in (previous, content)
        if previous != content and not is_use:  # a newly used column is a change of the SQL that uses it
            changes.append(DeclaredChange(field, kind, previous, content))
    named = any(change.kind in ("recipe", "veto") or change.field == "features.sql" for change in changes)
    if before["recipes"] != after["recipes"] and not named:  # only spaces at the end of features.sql differ
        changes.append(DeclaredChange("features.sql", "SQL", None, None))
    return changes


def remade_datasets(changes: Iterable[DeclaredChange]) -> set[Dataset]:
    """Return the datasets that must be built again after changes of a declaration; an empty set without changes."""
    return {dataset for change in changes for dataset in change.remade}


def _shown(content: Any) -> str:
    if content is None:
        return "none"
    if isinstance(content, float):
        return f"{content:.10g}"
    return f"'{content}'" if isinstance(content, str) else str(content)


def _list_fields(declaration: Mapping[str, Any]) -> Iterator[tuple[str, tuple[ChangeKind, Any]]]:
    """Yield each declared field with its kind of change, such as `payoff`, and its content."""
    yield from _policy_fields(declaration["policy"])
    for name, content in _leaves("gate", declaration["gate"]):
        yield name, ("gate", content)
    for name, content in _leaves("replay", declaration["replay"]):
        yield name, ("replay", content)
    for model, recipe in declaration["models"].items():
        prefix = "model" if model == "model" else f"model.alternatives.{model}"
        without_vetoes = {field: content for field, content in recipe.items() if field != "vetoes"}
        for name, content in _leaves(prefix, without_vetoes):
            yield name, ("recipe", content)
    for stage, text in declaration["sql"].items():
        yield f"{stage}.sql", (SQL_KINDS.get(stage, "SQL"), text)
    if declaration.get("constants"):
        yield "constants", ("SQL", declaration["constants"])
    for name, content in _leaves("decision", declaration["decision"]):
        yield name, ("decision", content)
    yield "timezone", ("decision", declaration["timezone"])
    for name, window in zip(("lookback", "outcome_horizon"), declaration["windows"], strict=True):
        yield f"{name}_partitions", ("data", window)
    for name, content in _leaves("sources", declaration["sources"]):
        yield name, ("data", content)


def _policy_fields(policy: Mapping[str, Any]) -> Iterator[tuple[str, tuple[ChangeKind, Any]]]:
    for action, (gain, cost) in policy["actions"].items():
        yield f"kpi.actions.{action}.gain", ("payoff", gain)
        yield f"kpi.actions.{action}.cost", ("payoff", cost)
    for action, (limit, use_full_limit, *per) in policy.get("limits", {}).items():
        yield f"kpi.actions.{action}.limit", ("capacity", f"{limit} per day" if per else limit)
        yield f"kpi.actions.{action}.use_full_limit", ("capacity", use_full_limit or None)
    for section in ("amount", "treatment"):
        for name, content in _leaves(f"kpi.{section}", policy.get(section, {})):
            yield name, ("payoff", content)
    for name, veto in policy["vetoes"].items():
        yield f"model.vetoes.{name}", ("veto", f"never {veto['never']} when {veto['when']}: {veto['why']}")
    yield "people.review.abstain_below", ("review", policy["defer_below"] or None)


def _leaves(path: str, content: Any) -> Iterator[tuple[str, Any]]:
    """Yield each value in nested mappings that isn't a mapping itself, with its path, such as `gate.margin`."""
    if isinstance(content, Mapping):
        for name, inner in content.items():
            yield from _leaves(f"{path}.{name}", inner)
    else:
        yield path, content
