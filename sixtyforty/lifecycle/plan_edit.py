"""Compare the declaration on disk with the declarations under which the replay's decisions were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import gcd

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.declaration_record import describe_declaration, read_declaration
from sixtyforty.decisions.declared_version import declared_version, list_replayed_versions
from sixtyforty.lifecycle.plan_changes import DeclaredChange, find_changes, remade_datasets
from sixtyforty.lifecycle.plan_models import plan_models
from sixtyforty.modeling.constant_knowledge import date_constants, find_early_use
from sixtyforty.modeling.declared_sql import all_declared_sql
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.sql_guard import require_allowed
from sixtyforty.modeling.taint import TaintedPartition, merge_tainted, summarize_leaks
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.duckdb_session import describe_sql_error
from sixtyforty.workspace import Workspace

CHECKED_PARTITIONS = 7
HOURS_A_WEEK = 168
NO_COPY = (
    "An earlier release decided the replay and stored no copy of its declaration. Changes of outcomes.sql,"
    " current_process.sql and the sources can't be detected."
)


class PlanError(SixtyfortyError):
    """The use case has no replay to compare with, or the effect of an edited declaration can't be calculated."""


@dataclass(frozen=True)
class Edit:
    """The differences between the declaration on disk and the earlier ones with which the replay was decided.

    `decided`: the partitions of the replay. `changes`: the fields that differ from any of the earlier declarations.
    `is_current`: whether all decisions of the replay were taken under the declaration on disk. `has_copies`: whether
    the lake has a copy of each earlier declaration, so that `changes` is complete.
    """

    decided: Sequence[str]
    changes: Sequence[DeclaredChange]
    is_current: bool
    has_copies: bool

    @property
    def needs_rebuild(self) -> bool:
        """Whether the effect of the edit can't be calculated without new data or models."""
        return bool(remade_datasets(self.changes) - {"decisions"})

    @property
    def remakes_features(self) -> bool:
        """Whether features are built again after the edit, so that they must be checked for leakage."""
        return "features" in remade_datasets(self.changes)


def find_edit(ws: Workspace) -> Edit:
    """Compare the declaration on disk with the earlier ones with which the replay was decided.

    Raises PlanError if the replay has no decisions yet.
    """
    decided = ws.lake.partitions(decisions_dataset("replay"))
    if not decided:
        raise PlanError(
            f"{ws.use_case.name} has no replay yet, so there are no past decisions to compare with."
            f" Run the chain first: sixtyforty run {ws.use_case.name} --from DATE --to DATE."
        )
    current = declared_version(ws.use_case)
    earlier = [version for version in list_replayed_versions(ws) if version != current]
    copies = {version: read_declaration(ws, version) for version in earlier}
    after = describe_declaration(ws.use_case)
    changes: dict[str, DeclaredChange] = {}
    for copy in copies.values():
        if copy is not None:
            changes |= {change.field: change for change in find_changes(copy, after)}
    return Edit(decided, list(changes.values()), not earlier, all(copy is not None for copy in copies.values()))


def list_remade(ws: Workspace, edit: Edit) -> Mapping[str, Sequence[str]]:
    """Return by dataset the partitions to build again after an edit; under `models`, the training days."""
    datasets = remade_datasets(edit.changes)
    if not edit.is_current:
        datasets.add("decisions")
    remade: dict[str, Sequence[str]] = {}
    if "validated" in datasets:
        fields = [change.field.split(".") for change in edit.changes if "validated" in change.remade]
        for source in sorted({field[1] for field in fields} & ws.use_case.inputs.keys()):
            remade[f"validated/{source}"] = ws.lake.partitions(f"validated/{source}")
    for dataset in ("features", "outcomes"):
        if dataset in datasets:
            remade[dataset] = ws.lake.partitions(dataset)
    if "models" in datasets:
        remade["models"] = sorted({plan.as_of.isoformat() for plan in plan_models(ws)})
    if "decisions" in datasets:
        remade[decisions_dataset("replay")] = edit.decided
    return remade


@dataclass(frozen=True)
class LeakageVerdict:
    """The result of the leakage check on a sample of partitions, whose features were built from the edited SQL."""

    checked: Sequence[str]
    tainted: Sequence[TaintedPartition]


def choose_sample(partitions: Sequence[str]) -> list[str]:
    """Return a sample of partitions: the first one, and CHECKED_PARTITIONS evenly spaced ones up to the newest.

    With fewer partitions, all are returned. The first partition is in the sample because each constant that is used too
    early is used too early there. A leak may occur on one weekday or at one hour only. So the step between partitions
    has no common factor with the number of hours in a week. Seven daily partitions then have seven weekdays, and seven
    hourly partitions have different hours.
    """
    step = max(1, len(partitions) // CHECKED_PARTITIONS)
    while gcd(step, HOURS_A_WEEK) != 1:
        step -= 1
    return sorted({*partitions[:1], *partitions[::step][-CHECKED_PARTITIONS:]})


def check_leakage(ws: Workspace, now: datetime) -> LeakageVerdict:
    """Build the features of a sample of partitions with the edited SQL, and check them for leakage.

    The features are kept in memory and not stored. `choose_sample` chooses from the partitions with features. The
    constants in the SQL are checked, too. now: the current time (UTC, naive). A new constant without a declared date
    counts as known from this time on.

    Raises ForbiddenSqlError for SQL that reads the clock or files, PlanError if the SQL can't run on the validated
    data, and FeatureError if the SQL doesn't return each unit once.
    """
    import duckdb

    require_allowed(ws.use_case.name, all_declared_sql(ws.use_case))
    sample = choose_sample(ws.lake.partitions("features"))
    try:
        with FeatureWindow(ws.use_case, ws.lake, sample) as window:
            tables = window.build().tables
            leaks = window.find_leakage(tables)
    except duckdb.Error as error:
        raise PlanError(
            f"{ws.use_case.name}: the edited SQL fails on the validated data. If the edit declares a new column, the"
            f" validated data must be made again first. DuckDB's message: {describe_sql_error(error)}."
        ) from None
    early = find_early_use(date_constants(ws.use_case, ws.lake, now), tables)
    return LeakageVerdict(sorted(tables), list(merge_tainted(summarize_leaks(leaks), early).values()))
