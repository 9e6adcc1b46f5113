"""Show the effect of an edited declaration: the data to build again, the decisions that flip, and their value.

A decision flips if it would get another action. A plan compares only the replay, because live decisions never change.
Nothing is written to the lake, the ledgers, the deliveries or the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.lifecycle.plan_changes import DeclaredChange
from sixtyforty.lifecycle.plan_edit import NO_COPY, Edit, LeakageVerdict, check_leakage, find_edit, list_remade
from sixtyforty.lifecycle.plan_home import open_scratch_copy
from sixtyforty.lifecycle.plan_preview import Preview, ShowProgress, preview_candidates, preview_edit
from sixtyforty.lifecycle.replay_rebuild import refuse_after_end
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace

# Builds datasets again in a scratch copy. Arguments: the scratch copy, the names of the datasets, and the progress.
RebuildInputs = Callable[[Workspace, Sequence[str], ShowProgress], None]


@dataclass(frozen=True)
class Plan:
    """The effect that an edited declaration would have, calculated before anything runs.

    - changes: the declared fields that differ from those under which the replay was decided.
    - remade: the partitions that are made again, by dataset. For models, the training days.
    - leakage: the leakage verdict, or None if no features are built again.
    - preview: the decisions that would flip, and the value of these flips; None if they weren't calculated.
    - live: the number of partitions with live decisions, which stay as they are.
    - notes: sentences on what the plan doesn't cover.
    """

    edit: Edit
    changes: Sequence[DeclaredChange]
    remade: Mapping[str, Sequence[str]]
    leakage: LeakageVerdict | None
    preview: Preview | None
    live: int
    notes: Sequence[str]

    @property
    def is_unchanged(self) -> bool:
        """Whether the edit would leave all decisions and figures the same."""
        return self.edit.is_current and not self.changes

    @property
    def has_leakage(self) -> bool:
        """Whether the edited SQL leaks values from after the decision time."""
        return self.leakage is not None and bool(self.leakage.tainted)

    @property
    def refusal(self) -> str | None:
        """Why governance would show no figures after the edit; None if it would show them."""
        return self.preview.refusal if self.preview else None

    @property
    def lost(self) -> list[str]:
        """The names of the gains that are significant now, but would not be after the edit."""
        return self.preview.value.lost if self.preview else []


def make_plan(
    ws: Workspace, now: datetime, show_progress: ShowProgress, rebuild_inputs: RebuildInputs | None = None
) -> Plan:
    """Return the effect that the edited declaration on disk would have on the replay.

    now: the current time (UTC, naive). rebuild_inputs: the function that builds features and trains models in a scratch
    copy, for an edit that needs them. If it is None, the plan of such an edit has no preview.

    Raises PlanError without a replay, RebuildError after the end of the use case, and RefusedFiguresError if the
    figures of the current replay would be wrong.
    """
    edit = find_edit(ws)
    refuse_after_end(ws, now)
    live = len(ws.lake.partitions(decisions_dataset("live")))
    plan = Plan(edit, edit.changes, list_remade(ws, edit), None, None, live, [] if edit.has_copies else [NO_COPY])
    if edit.is_current:
        return _plan_candidates(ws, plan, show_progress)
    if edit.remakes_features:
        show_progress("plan: checking features of the edited SQL for leakage, on a sample of partitions")
        plan = replace(plan, leakage=check_leakage(ws, now))
    if plan.has_leakage or (edit.needs_rebuild and rebuild_inputs is None):
        return plan
    with open_scratch_copy(ws, rewritten=[] if rebuild_inputs is None else ["features", "outcomes"]) as scratch:
        if rebuild_inputs is not None:
            rebuild_inputs(scratch, list(plan.remade), show_progress)
        preview = preview_edit(ws, scratch, show_progress)
    if preview.outdated:
        plan = replace(plan, notes=[*plan.notes, _describe_outdated(ws, preview.outdated)])
    return replace(plan, preview=preview)


def _plan_candidates(ws: Workspace, plan: Plan, show_progress: ShowProgress) -> Plan:
    """Return the plan of an edit that changes no decision, but may change the value of `kpi.candidates`.

    `kpi.candidates` declares other ways to decide, which are valued on the same units.
    """
    if not ws.use_case.kpi.candidates:
        return plan
    preview = preview_candidates(ws, show_progress)
    if not preview.changed_candidates:
        return plan
    changes = [DeclaredChange(f"kpi.candidates.{name}", "rule", None, None) for name in preview.changed_candidates]
    return replace(plan, changes=changes, preview=preview)


def _describe_outdated(ws: Workspace, outdated: Sequence[str]) -> str:
    first, last = (ws.use_case.first_day(partition) for partition in (outdated[0], outdated[-1]))
    return (
        f"The features of {format_plural(len(outdated), 'partition')} from {first} to {last} are older than their data,"
        " so the decisions of this time aren't compared. Build the features again first:"
        f" sixtyforty run {ws.use_case.name} --from {first} --to {last}."
    )
