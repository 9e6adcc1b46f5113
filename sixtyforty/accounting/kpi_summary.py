"""Summarize the KPI ledger: totals, the gain over the current process, candidates and segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting import experiment_results, kpi_ledger
from sixtyforty.accounting.done_value import DoneValue, value_done
from sixtyforty.accounting.refused_figures import require_sound_figures
from sixtyforty.decisions.deciders import DeciderCounts, count_deciders
from sixtyforty.decisions.declared_version import describe_outdated
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.value import experiment_estimate, segments
from sixtyforty.value.action_load import ActionLoad, summarize_load
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.experiment_estimate import HoldoutEstimate
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.segments import Segment
from sixtyforty.value.summary import DaysSummary, summarize_days
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ASSUMPTION = (
    "The action may change the outcome, so the gain rests on the declared assumption and is not evidence of an impact."
    " A live holdout measures the real gain."
)


@dataclass(frozen=True)
class KpiSummary(DaysSummary):
    """The KPI over all partitions with an account, and how far its figures can be trusted.

    - label: the kind of evidence for the gain: `exact`, `assumed` or `randomized`.
    - deciders: the number of decisions by each decider. Decisions without a known outcome count, too.
    - holdout: the result of the experiment; None without an experiment.
    - evidence: a text on the evidence for the figures; None if the figures are exact.
    - outdated: a text on the partitions of a replay that are outdated; None if no partition is outdated. Until the
      replay is made again, no figure proves anything.
    - done: the value of what people did; None if no override in force has a known outcome.
    - load: how many actions the decisions need, and the gain at smaller capacities; None in an experiment.
    """

    label: EvidenceLabel
    deciders: DeciderCounts
    holdout: HoldoutEstimate | None = None
    evidence: str | None = None
    outdated: str | None = None
    done: DoneValue | None = None
    load: ActionLoad | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary for JSON, without the result of the experiment."""
        renamed = {"first": "from", "last": "to"}
        names = (name for name in self.__dataclass_fields__ if name != "holdout")
        return {renamed.get(name, name): getattr(self, name) for name in names} | {
            "total": self.totals["model"],
            "operational": self.operational,
            "lift_vs_current": self.lift_vs_current.to_dict(),
            "deciders": self.deciders.to_dict(),
            "done": self.done.to_dict() if self.done else None,
            "load": self.load.to_dict() if self.load else None,
            "candidates": {name: candidate.to_dict() for name, candidate in self.candidates.items()},
        }


def summarize_kpi(
    ws: Workspace, track: Track, until: str | None = None, daily_values: Sequence[DailyValue] | None = None
) -> KpiSummary:
    """Return the summary of the KPI over all partitions with an account.

    until: the last partition to include; None includes all. daily_values: the money of these partitions, if the caller
    has already read it. In an experiment, the gain is the difference between the arms, with the always-valid interval.
    Raises RefusedFiguresError if the figures are refused (see `refused_figures`).
    """
    use_case, kpi = ws.use_case, ws.use_case.kpi
    require_sound_figures(ws, track, until)
    if daily_values is None:
        daily_values = kpi_ledger.read_daily_values(ws, track, until)
    figures = summarize_days(kpi, track, daily_values, use_case.days_between_decisions)
    decided = figures.totals["model"] or 0.0
    summary = KpiSummary(
        **vars(figures),
        label=use_case.label(track),
        deciders=count_deciders(ws, track, until),
        outdated=describe_outdated(ws, track, until),
        done=value_done(ws, track, [d.partition for d in daily_values], decided, figures.gain),
    )
    if not use_case.is_randomized(track):
        load = summarize_load(kpi, track, daily_values)
        return replace(summary, evidence=ASSUMPTION if summary.label == "assumed" else None, load=load)
    effect = experiment_results.measure_effect(ws, [d.partition for d in daily_values])
    evidence = experiment_estimate.describe_estimate(effect, kpi.currency, kpi.unit_plural, kpi.target)
    if effect is None:
        return replace(summary, label="assumed", evidence=evidence)
    return replace(summary, lift_vs_current=RoundedInterval.of(effect.lift), holdout=effect, evidence=evidence)


def summarize_nothing(ws: Workspace, track: Track) -> KpiSummary:
    """Return a KPI summary over no partition, for a page that shows why the figures are refused."""
    figures = summarize_days(ws.use_case.kpi, track, [], ws.use_case.days_between_decisions)
    return KpiSummary(**vars(figures), label=ws.use_case.label(track), deciders=count_deciders(ws, track))


def summarize_segments(ws: Workspace, track: Track) -> list[Segment]:
    """Return the gain of each segment over all partitions with an account. Return an empty list for an experiment."""
    import numpy as np

    if ws.use_case.is_randomized(track):
        return []
    parts = kpi_ledger.read_segment_gains(ws, track)
    if not parts.num_rows:
        return []
    (column_codes, columns), (name_codes, names) = (_encode(parts[c]) for c in ("column", "name"))
    codes = column_codes * len(names) + name_codes
    narrow = codes.astype(np.min_scalar_type(int(codes.max())))  # narrow integers sort in a fraction of the time
    order = np.argsort(
        narrow, kind="stable"
    )  # groups the rows by segment; within a segment they stay sorted by partition
    segment_codes, starts = np.unique(codes[order], return_index=True)
    sums = [np.split(parts[c].to_numpy()[order], starts[1:]) for c in ("_partition", "decisions", "gain")]
    return segments.estimate_segments(
        {
            (columns[code // len(names)], names[code % len(names)]): (partitions, decisions, gains)
            for code, partitions, decisions, gains in zip(segment_codes.tolist(), *sums, strict=True)
        },
        track,
        ws.use_case.kpi.block_days,
    )


def _encode(texts: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return an integer code for each text, and the list of distinct texts. A code is the position in that list."""
    encoded = texts.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype("int64"), encoded.dictionary.to_pylist()
