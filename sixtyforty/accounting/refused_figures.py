"""Decide whether the figures of a track may be shown or are refused, and say why.

Figures are refused if decisions were taken on features with leakage, or if a replay's model learned from such features.
Figures of an experiment are refused if its units weren't assigned by the declared shares.
"""

from __future__ import annotations

from collections.abc import Iterator

from sixtyforty.accounting import experiment_ledger, experiment_results
from sixtyforty.accounting.holdout_shares import count_held_out
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.modeling import taint
from sixtyforty.modeling.treatment_shares import describe_share_mismatch
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.value import experiment_estimate
from sixtyforty.value.share_test import describe_mismatches, find_mismatches
from sixtyforty.workspace import Workspace


class RefusedFiguresError(SixtyfortyError):
    """Figures are refused because they would be wrong. The message gives the reason, and says what to do next."""


def require_sound_figures(ws: Workspace, track: Track, until: str | None = None) -> None:
    """Raise RefusedFiguresError if the figures of a track's decisions are refused.

    until: the last partition to check; None checks all.
    """
    if reason := describe_refusal(ws, track, until):
        raise RefusedFiguresError(reason)


def describe_refusal(ws: Workspace, track: Track, until: str | None = None) -> str | None:
    """Return why the figures of a track's decisions are refused, and what to do next. Return None for sound figures.

    until: the last partition to check; None checks all. Live decisions aren't taken again, so their figures are sound
    as soon as the features of their partitions have been built again without leakage.
    """
    refused = f"No figures are shown for {ws.use_case.name}"
    if tainted := taint.find_tainted(ws.lake, _partitions_until(ws, decisions_dataset(track), until)):
        return f"{refused}: the {taint.describe(tainted)}. {taint.describe_cure(tainted)}"
    if reason := _describe_experiment(ws, track, until):
        return f"{refused}: {reason}"
    if track == "live":
        return None
    leaky = _leaky_decisions(ws, until)
    if not leaky:
        return None
    first, last = (ws.use_case.first_day(partition) for partition in (leaky[0], leaky[-1]))
    return (
        f"{refused}: a model that knew the future decided {format_plural(len(leaky), 'partition')} of the replay, from"
        f" {first} to {last}. Make the replay again:"
        f" sixtyforty run {ws.use_case.name} --from {first} --to {last} --rebuild-replay."
    )


def _describe_experiment(ws: Workspace, track: Track, until: str | None) -> str | None:
    """Return why an experiment's figures can't be trusted: wrong shares of units, or unequal arms. None if they can."""
    if not ws.use_case.is_randomized(track):
        if not ws.use_case.kpi.treatment:
            return None
        return describe_share_mismatch(ws.use_case, ws.lake, list(_partitions_until(ws, "outcomes", until)))
    accounted = list(_partitions_until(ws, experiment_ledger.DATASET, until))
    if mismatches := find_mismatches(count_held_out(ws, accounted)):
        return describe_mismatches(mismatches, "kpi.holdout.share")
    effect = experiment_results.measure_effect(ws, accounted)
    return experiment_estimate.describe_refusal(effect, ws.use_case.kpi.unit_plural) if effect else None


def _partitions_until(ws: Workspace, dataset: str, until: str | None) -> Iterator[str]:
    """Yield the partitions of a dataset, sorted. The dataset isn't listed if no partition is asked for.

    until: the last partition to yield; None yields all.
    """
    yield from (p for p in ws.lake.partitions(dataset) if until is None or p <= until)


def _leaky_decisions(ws: Workspace, until: str | None) -> list[str]:
    """Return the replayed partitions with leakage. until: the last partition to check; None checks all.

    A model decided them on features with leakage, or the model had learned from features with leakage.
    """
    rows = ws.champion_ledger.rows_of("replay")
    revoked = {version for row in rows if row.kind == "revoked" for version in row.withdrawn_versions}
    marked = set(ws.lake.partitions(taint.INDEX))
    if not (revoked or marked):
        return []
    decided = list(_partitions_until(ws, decisions_dataset("replay"), until))
    suspects = decided if revoked else sorted(marked.intersection(decided))
    entries = ws.lake.entries(decisions_dataset("replay"), suspects)
    return [p for p, entry in entries.items() if _is_leaky(ws, entry, revoked)]


def _is_leaky(ws: Workspace, entry: Entry, revoked: set[str]) -> bool:
    facts = DecisionFacts.from_entry(entry)
    if not (facts.model or facts.review):
        return False
    if not revoked.isdisjoint(facts.champions):
        return True
    return bool(taint.find_tainted_versions(ws.lake, entry.inputs.get("features", {})))
