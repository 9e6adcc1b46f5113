"""Summarize the KPI ledger: totals, the gain over the current process, candidates and segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty.accounting import experiment_results, kpi_ledger
from sixtyforty.accounting.done_value import DoneValue, UncountedAnswersError, value_done
from sixtyforty.accounting.exactness import describe_refutation, describe_test, label_figures, run_exactness_test
from sixtyforty.accounting.experiment_candidates import measure_candidates
from sixtyforty.accounting.experiment_segments import measure_segments
from sixtyforty.accounting.refused_figures import require_sound_figures
from sixtyforty.decisions.deciders import DeciderCounts, count_deciders
from sixtyforty.decisions.declared_version import describe_outdated
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.value import experiment_estimate, segments
from sixtyforty.value.capacity_gains import CapacityGains, gain_by_capacity
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.experiment_estimate import HoldoutEstimate
from sixtyforty.value.outcome_test import OutcomeTest
from sixtyforty.value.past_experiment import PastExperiment, summarize_experiment
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.segments import Segment
from sixtyforty.value.standing import Standing, describe_payback, judge_standing
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

Basis = Literal["replay", "unrecorded", "done"]
"""What the counted gain is about.

- replay: nobody acted, so each decision counts as if it had been followed.
- unrecorded: live, but people's answers aren't recorded. Each decision counts as if it had been followed.
- done: live, and what people did counts.
"""
BASIS_NOTES: dict[Basis, str] = {
    "replay": "Nobody acted on a replay, so the gain counts each decision as if it had been followed.",
    "unrecorded": "People's answers aren't recorded, so the gain counts each decision as if it had been followed.",
    "done": "The gain counts what people did.",
}


@dataclass(frozen=True)
class CountedGain:
    """The gain by which targets, stage gates and costs are judged, in the KPI's currency. An unknown figure is None.

    - basis: what the gain is about. note: a sentence on it, or why the gain is unknown.
    - gain: the gain over the current process in total. lift: the gain per 1,000 decisions with its interval.
    - net_impact, payback: see `Balance`.
    - standing: what the gain may be called.
    """

    basis: Basis
    note: str
    gain: float | None
    lift: RoundedInterval
    net_impact: float | None
    payback: str | None
    standing: Standing

    @property
    def covers_costs(self) -> bool:
        """Whether money that was earned covers the costs. A replay, for example, earns nothing."""
        return self.standing == "earned" and self.payback is not None

    @property
    def costs_sentence(self) -> str:
        """A clause that says whether the gain covers the costs."""
        return describe_payback(self.standing, self.lift, self.payback)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return vars(self) | {"lift": self.lift.to_dict()}


@dataclass(frozen=True)
class KpiSummary(DaysSummary):
    """The KPI over all partitions with an account, and how far its figures can be trusted.

    - label: the kind of evidence for the gain: `exact`, `assumed` or `randomized`.
    - deciders: the number of decisions by each decider. Decisions without a known outcome count, too.
    - holdout: the result of the experiment; None without an experiment.
    - evidence: a text on the evidence for the figures; None if they are exact and no holdout tests that.
    - outdated: a text on the partitions of a replay that are outdated; None if no partition is outdated. Until the
      replay is made again, no figure proves anything.
    - basis: what the counted gain is about.
    - done: the value of what people did; None if people's answers aren't recorded, or if a replay has none.
    - done_problem: why the value of what people did is refused; None if it isn't.
    - is_retired: whether the use case is retired.
    - exactness: the test by a holdout that the action doesn't change the outcome; None without such a test.
    - refutation: how a holdout has refuted that the figures are exact; None if none has.
    - past_experiment: the gain by three methods, and the overlap; None without a past experiment.
    - capacity: the gain if fewer actions can be taken, and the worst partition; None in a live experiment.
    """

    label: EvidenceLabel
    deciders: DeciderCounts
    holdout: HoldoutEstimate | None = None
    evidence: str | None = None
    outdated: str | None = None
    basis: Basis = "replay"
    done: DoneValue | None = None
    done_problem: str | None = None
    is_retired: bool = False
    past_experiment: PastExperiment | None = None
    exactness: OutcomeTest | None = None
    refutation: str | None = None
    capacity: CapacityGains | None = None

    @property
    def is_refuted(self) -> bool:
        """Whether a holdout has refuted that the figures are exact."""
        return self.refutation is not None

    @property
    def invalid_because(self) -> str | None:
        """Why the figures prove nothing, and reach no target; None if nothing speaks against them."""
        return self.outdated or self.refutation

    @property
    def counted(self) -> CountedGain:
        """The gain by which targets, stage gates and costs are judged: of what people did, if they acted."""
        if self.basis != "done":
            return self._count(self.gain, self.lift_vs_current, self.net_impact, self.payback)
        if self.done is None:
            return self._count(None, RoundedInterval(None, None, None), None, None)
        return self._count(self.done.gain, self.done.lift, self.done.net_impact, self.done.payback)

    def _count(
        self, gain: float | None, lift: RoundedInterval, net_impact: float | None, payback: str | None
    ) -> CountedGain:
        track: Track = "replay" if self.basis == "replay" else "live"
        is_refused = gain is None and bool(self.decisions)
        standing = judge_standing(track, self.label, lift, is_retired=self.is_retired, is_refused=is_refused)
        note = self.done_problem or BASIS_NOTES[self.basis] if is_refused else BASIS_NOTES[self.basis]
        return CountedGain(self.basis, note, gain, lift, net_impact, payback, standing)

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
            "counted": self.counted.to_dict(),
            "net_impact": self.counted.net_impact,
            "payback": self.counted.payback if self.counted.covers_costs else None,
            "exactness": self.exactness.to_dict() if self.exactness else None,
            "past_experiment": self.past_experiment.to_dict() if self.past_experiment else None,
            "capacity": self.capacity.to_dict() if self.capacity else None,
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
    summary = KpiSummary(
        **vars(figures),
        label=label_figures(ws, track),
        deciders=count_deciders(ws, track, until),
        outdated=describe_outdated(ws, track, until),
        basis=_basis(ws, track),
        is_retired=ws.stage_ledger.is_retired() or use_case.stage == "retired",
    )
    if not use_case.is_randomized(track):
        experiment, capacity = (
            summarize_experiment(kpi, track, daily_values),
            gain_by_capacity(kpi, track, daily_values),
        )
        summary = replace(summary, past_experiment=experiment, capacity=capacity)
        return _add_done(ws, track, _with_exactness(ws, summary), daily_values)
    effect = experiment_results.measure_effect(ws, [d.partition for d in daily_values])
    evidence = experiment_estimate.describe_estimate(effect, kpi.currency, kpi.unit_plural, kpi.target)
    if effect is None:
        return _add_done(ws, track, replace(summary, label="assumed", evidence=evidence), daily_values)
    measured = replace(summary, lift_vs_current=RoundedInterval.of(effect.lift), holdout=effect, evidence=evidence)
    if effect.is_trustworthy:
        candidates = measure_candidates(ws, [d.partition for d in daily_values])
        measured = replace(measured, candidates=measured.candidates | candidates)
    return _add_done(ws, track, measured, daily_values)


def _basis(ws: Workspace, track: Track) -> Basis:
    if track == "replay":
        return "replay"
    return "unrecorded" if ws.use_case.people.unanswered is None else "done"


def _add_done(ws: Workspace, track: Track, summary: KpiSummary, days: Sequence[DailyValue]) -> KpiSummary:
    """Return the summary with the value of what people did, or with the reason why it is refused."""
    try:
        return replace(summary, done=value_done(ws, track, days, summary.holdout.lift if summary.holdout else None))
    except UncountedAnswersError as error:
        return replace(summary, done_problem=str(error))


def summarize_nothing(ws: Workspace, track: Track) -> KpiSummary:
    """Return a KPI summary over no partition, for a page that shows why the figures are refused."""
    figures = summarize_days(ws.use_case.kpi, track, [], ws.use_case.days_between_decisions)
    return KpiSummary(
        **vars(figures), label=label_figures(ws, track), deciders=count_deciders(ws, track), basis=_basis(ws, track)
    )


def _with_exactness(ws: Workspace, summary: KpiSummary) -> KpiSummary:
    """Return the summary with the test of exactness by a holdout, or with the assumption behind its figures."""
    test, refutation = run_exactness_test(ws), describe_refutation(ws)
    if test or refutation:
        evidence = refutation or (describe_test(ws, test) if test else None)
        return replace(summary, exactness=test, refutation=refutation, evidence=evidence)
    return replace(summary, evidence=ASSUMPTION if summary.label == "assumed" else None)


def summarize_segments(ws: Workspace, track: Track) -> list[Segment]:
    """Return the gain of each segment over all partitions with an account. In a holdout, the arms are compared."""
    import numpy as np

    if ws.use_case.is_randomized(track):
        return measure_segments(ws)
    parts = kpi_ledger.read_segment_gains(ws, track)
    if not parts.num_rows:
        return []
    (column_codes, columns), (name_codes, names) = (_encode(parts[c]) for c in ("column", "name"))
    codes = column_codes * len(names) + name_codes
    narrow = codes.astype(np.min_scalar_type(int(codes.max())))  # narrow integers sort in a fraction of the time
    # Groups the rows by segment; within a segment they stay sorted by partition.
    order = np.argsort(narrow, kind="stable")
    segment_codes, starts = np.unique(codes[order], return_index=True)
    partition_codes, partitions = _encode(parts["_partition"])
    days = np.array(partitions, "U10").astype("datetime64[D]")[partition_codes]
    figures = (days, parts["decisions"].to_numpy(), parts["gain"].to_numpy())
    sums = [np.split(figure[order], starts[1:]) for figure in figures]
    return segments.estimate_segments(
        {
            (columns[code // len(names)], names[code % len(names)]): (first_days, decisions, gains)
            for code, first_days, decisions, gains in zip(segment_codes.tolist(), *sums, strict=True)
        },
        track,
        ws.use_case.kpi.block_days,
        ws.use_case.units_recur,
    )


def _encode(texts: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return an integer code for each text, and the list of distinct texts. A code is the position in that list."""
    encoded = texts.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype("int64"), encoded.dictionary.to_pylist()
