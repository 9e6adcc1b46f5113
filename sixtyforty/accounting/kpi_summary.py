"""The summary of the KPI ledger: totals, the gain over the current process, candidates and segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting import experiment_results, kpi_ledger
from sixtyforty.accounting.refused_figures import require_sound_figures
from sixtyforty.decisions.deciders import DeciderCounts, count_deciders
from sixtyforty.decisions.declared_version import describe_outdated
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.value import experiment_estimate, segments, summary
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.segments import Segment
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
class CandidateSummary:
    """The figures of a candidate, over the partitions whose accounts contain it. Money is per 1,000 decisions."""

    decisions: int
    per_1000: float | None
    lift_vs_current: RoundedInterval
    model_minus: RoundedInterval  # the decisions taken, minus the candidate

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> CandidateSummary:
        """Read a candidate from the form that `summary.summarize_days` returns."""
        intervals = {name: RoundedInterval.from_dict(fields[name]) for name in ("lift_vs_current", "model_minus")}
        return cls(fields["decisions"], fields["per_1000"], **intervals)

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate for JSON."""
        intervals = {"lift_vs_current": self.lift_vs_current.to_dict(), "model_minus": self.model_minus.to_dict()}
        return {"decisions": self.decisions, "per_1000": self.per_1000, **intervals}


@dataclass(frozen=True)
class KpiSummary:
    """The KPI over all partitions with an account. Money is in `unit`, to the cent; None means not known.

    `first` and `last` are partitions, `days` counts them. `totals` and `per_1000` hold the money of each policy (see
    `lift.POLICIES`). `holdout` is the experiment's evidence, and `evidence` says in words what the figures rest on.
    `deciders` counts who took the decisions, those without a known outcome included.
    `outdated` says what an earlier declaration decided in a replay: until it is made again, no figure proves anything.
    """

    unit: str
    label: EvidenceLabel
    first: str | None
    last: str | None
    days: int
    decisions: int
    acted: int
    differ_from_current: int
    differ_share: float | None
    decided_by_current_process: int
    totals: dict[str, float | None]
    per_1000: dict[str, float | None]
    lift_vs_current: RoundedInterval
    gain: float
    build: float
    running: float
    net_impact: float
    payback: str | None
    candidates: dict[str, CandidateSummary]
    deciders: DeciderCounts
    holdout: dict[str, Any] | None = None
    evidence: str | None = None
    outdated: str | None = None

    @property
    def operational(self) -> bool:
        """Whether any decision differs from the current process."""
        return self.differ_from_current > 0

    def to_dict(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        renamed = {"first": "from", "last": "to"}
        fields = {renamed.get(name, name): getattr(self, name) for name in self.__dataclass_fields__}
        return fields | {
            "total": self.totals["model"],
            "operational": self.operational,
            "lift_vs_current": self.lift_vs_current.to_dict(),
            "deciders": self.deciders.to_dict(),
            "candidates": {name: candidate.to_dict() for name, candidate in self.candidates.items()},
        }


def summarize_kpi(
    ws: Workspace, track: Track, until: str | None = None, daily_values: Sequence[DailyValue] | None = None
) -> KpiSummary:
    """Return the summary of the KPI over all partitions with an account.

    daily_values: the money of these partitions, if the caller has read it already. In an experiment, the gain is the
    difference between the arms, with an interval that holds at any number of looks. Raises RefusedFiguresError where
    no figure may be given, see `refused_figures`.
    """
    use_case, kpi = ws.use_case, ws.use_case.kpi
    require_sound_figures(ws, track, until)
    if daily_values is None:
        daily_values = kpi_ledger.read_daily_values(ws, track, until)
    fields = _summary_fields(summary.summarize_days(kpi, daily_values, use_case.days_between_decisions))
    fields["outdated"] = describe_outdated(ws, track, until)
    fields["deciders"] = count_deciders(ws, track, until)
    label = use_case.label(track)
    if not use_case.is_randomized(track):
        return KpiSummary(**fields, label=label, evidence=ASSUMPTION if label == "assumed" else None)
    effect = experiment_results.measure_effect(ws, [d.partition for d in daily_values])
    evidence = experiment_estimate.describe_estimate(effect, kpi.currency, kpi.unit_plural, kpi.target)
    if effect is None:
        return KpiSummary(**fields, label="assumed", evidence=evidence)
    holdout = effect.to_dict(kpi.target / 1000)
    fields["lift_vs_current"] = RoundedInterval.from_dict(holdout["lift"])
    return KpiSummary(**fields, label=label, holdout=holdout, evidence=evidence)


def summarize_nothing(ws: Workspace, track: Track) -> KpiSummary:
    """Return the summary without any decision, for a page that shows the reason why figures are refused."""
    fields = _summary_fields(summary.summarize_days(ws.use_case.kpi, [], ws.use_case.days_between_decisions))
    return KpiSummary(**fields, label=ws.use_case.label(track), deciders=count_deciders(ws, track))


def _summary_fields(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a KpiSummary that `summary.summarize_days` computes."""
    fields = {name: totals[name] for name in KpiSummary.__dataclass_fields__ if name in totals}
    return fields | {
        "first": totals["from"],
        "last": totals["to"],
        "lift_vs_current": RoundedInterval.from_dict(totals["lift_vs_current"]),
        "candidates": {name: CandidateSummary.from_dict(c) for name, c in totals["candidates"].items()},
    }


def summarize_segments(ws: Workspace, track: Track) -> list[Segment]:
    """Return every segment over all partitions with an account; empty for an experiment."""
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
    sums = [np.split(parts[c].to_numpy()[order], starts[1:]) for c in ("decisions", "gain")]
    return segments.estimate_segments(
        {
            (columns[code // len(names)], names[code % len(names)]): (decisions, gains)
            for code, decisions, gains in zip(segment_codes.tolist(), *sums, strict=True)
        }
    )


def _encode(texts: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return the integer code of each text, and the list in which a code is the position of its text."""
    encoded = texts.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype("int64"), encoded.dictionary.to_pylist()
