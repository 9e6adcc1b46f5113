"""Take the replay's decisions under an edited declaration in a scratch copy, and compare them with the stored ones.

The functions are the same as in a run: the gate judges the stored models, the policy decides, and the KPI ledger
computes the value. No model is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sixtyforty.accounting.kpi_ledger import compute_accounts, read_daily_values
from sixtyforty.accounting.refused_figures import describe_refusal, require_sound_figures
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.lifecycle.plan_edit import PlanError
from sixtyforty.lifecycle.plan_flips import Flips, compare_decisions
from sixtyforty.lifecycle.plan_models import judge_models, reuse_models
from sixtyforty.lifecycle.plan_value import PlannedValue, compare_values
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.progress import track
from sixtyforty.spec.partitions import chunks
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.payoff_base import PayoffError
from sixtyforty.workspace import Workspace

ShowProgress = Callable[[str], None]
DATASET = decisions_dataset("replay")


@dataclass(frozen=True)
class Preview:
    """The effect that an edit would have on the replay: flipped decisions, their value, and other champions.

    - champions_now, champions_after: the training days of the models that the gate promotes.
    - outdated: the partitions whose features are older than their data; their decisions stay the same.
    - refusal: why governance would show no figures after the edit; None if it would show them.
    - changed_candidates: the names of the ways to decide in `kpi.candidates` whose value changes, although the
      decisions don't.
    """

    flips: Flips
    value: PlannedValue
    champions_now: Sequence[str]
    champions_after: Sequence[str]
    outdated: Sequence[str]
    refusal: str | None
    changed_candidates: Sequence[str] = ()


def preview_edit(ws: Workspace, scratch: Workspace, show_progress: ShowProgress) -> Preview:
    """Rebuild the replay in a scratch copy with the declaration on disk, and compare it with the stored replay.

    Raises PlanError if a model isn't stored, and RefusedFiguresError if the current figures would be wrong.
    """
    missing = reuse_models(scratch)
    if missing:
        days = format_plural(len({plan.as_of for plan in missing}), "training day")
        raise PlanError(
            f"{ws.use_case.name}: on {days}, no stored model was trained on the current data and recipe, so the effect"
            " of the edit isn't known. Add --compute to train the missing models in a temporary folder."
        )
    require_sound_figures(ws, "replay")
    now, before = read_daily_values(ws, "replay"), ws.lake.entries(DATASET)
    partitions = [p for p in before if p >= ws.use_case.replay.first_day.isoformat()]
    show_progress(
        f"plan: computing the value of the stored decisions with the edited payoffs ({len(partitions):,} partitions)"
    )
    unchanged = _value_unchanged(ws)
    champions_now = _promoted(ws)
    show_progress("plan: judging the stored models by the gate")
    judge_models(scratch, partitions[0])
    show_progress("plan: taking the replay's decisions again")
    for portion in track(chunks(partitions), "plan: decisions", "portion"):
        take_decisions(scratch, portion, "replay", None, anew=True)
    show_progress("plan: computing the value of the decisions taken with the edited declaration")
    after = value_decisions(scratch)
    entries = scratch.lake.entries(DATASET)
    flips = compare_decisions(
        ws.use_case.timezone, ws.lake, list(before.values()), scratch.lake, list(entries.values())
    )
    return Preview(
        flips=flips,
        value=compare_values(ws.use_case.kpi, now, unchanged, after, flips.by_partition),
        champions_now=champions_now,
        champions_after=_promoted(scratch),
        outdated=list(find_outdated(ws.use_case, scratch.lake, partitions)),
        refusal=describe_refusal(scratch, "replay"),
    )


def preview_candidates(ws: Workspace, show_progress: ShowProgress) -> Preview:
    """Return the effect of an edit that changes only `kpi.candidates`. The replay's decisions stay the same."""
    require_sound_figures(ws, "replay")
    now, champions = read_daily_values(ws, "replay"), _promoted(ws)
    show_progress(f"plan: computing the value of the other ways to decide, kpi.candidates ({len(now):,} partitions)")
    after = value_decisions(ws)
    flips = Flips(sum(day.decisions for day in after), 0, 0, [], {}, [])
    value = compare_values(ws.use_case.kpi, now, after, after, {})
    return Preview(flips, value, champions, champions, [], None, find_changed_candidates(now, after))


def find_changed_candidates(now: Sequence[DailyValue], after: Sequence[DailyValue]) -> list[str]:
    """Return the sorted names of the ways to decide in `kpi.candidates` whose value changes in any partition.

    now, after: the values before and after the edit. Partitions that are only in one of the two lists are ignored.
    """
    earlier = {day.partition: day.candidates for day in now}
    changed = set[str]()
    for day in after:
        before = earlier.get(day.partition, day.candidates)
        names = before.keys() | day.candidates.keys()
        changed |= {name for name in names if before.get(name) != day.candidates.get(name)}
    return sorted(changed)


def value_decisions(ws: Workspace) -> list[DailyValue]:
    """Return the value of the replay's decisions under the declaration on disk, by partition with known outcomes.

    The accounts are computed as in the KPI ledger, but not written.
    """
    decisions = ws.lake.entries(DATASET)
    outcomes = ws.lake.entries("outcomes", decisions)
    days: list[DailyValue] = []
    for portion in track(chunks(list(outcomes)), "plan: value", "portion"):
        entries = ({p: versions[p] for p in portion} for versions in (decisions, outcomes))
        days += [account for account in compute_accounts(ws, *entries) if account.decisions]
    return days


def _value_unchanged(ws: Workspace) -> list[DailyValue]:
    """Return the value of the stored decisions with the edited payoffs, by partition with known outcomes.

    If the edit removed an action that was taken, the action has no payoff. Return an empty list then.
    """
    try:
        return value_decisions(ws)
    except PayoffError:
        return []


def _promoted(ws: Workspace) -> list[str]:
    return [row.as_of for row in ws.champion_ledger.sound_promotions("replay")]
