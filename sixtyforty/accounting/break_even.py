"""Compute the break-even: how much information the model may lose until it is no better than the current process.

To remove information, `compute_curve` permutes the expected outcomes among a random share of the units: each of these
units then gets the prediction of another unit. `tolerable_fault_shares` computes how many units a feed fault of the
degradation drill may hit unnoticed. It assumes that a fault hits random units, so that the gain falls in proportion to
the share of the units hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty.accounting import degradation
from sixtyforty.accounting.degradation import FaultImpact
from sixtyforty.accounting.feed_faults import Fault
from sixtyforty.accounting.refused_figures import require_sound_figures
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.track import Track
from sixtyforty.storage import stored_tables
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.storage.stored_tables import Rows, TableStore
from sixtyforty.value import candidates
from sixtyforty.value.choice_payoffs import ChoicePayoffs, choose_together
from sixtyforty.value.lift import Interval, estimate_ratio
from sixtyforty.value.payoff_base import Payoffs
from sixtyforty.value.payoff_sql import priced_sql
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.random_choice import payoffs_for_all, random_money
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.unit_groups import NOT_GROUPED
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Barred

DATASET = "break_even"
SHARES = tuple(i / 10 for i in range(11))
SEED = 0
MINIMUM_DAYS = 2  # with fewer days, no confidence interval can be computed
FAULT_VERBS = {"stale": "stop", "duplicated": "arrive twice", "wrong unit": "arrive in a wrong unit"}
Comparison = Literal["over_current_process", "over_random_choice"]


@dataclass(frozen=True)
class CurvePoint:
    """A point of the break-even curve: the model's gain per 1,000 decisions if some of its information is lost.

    `share_lost` goes from 0 (no information is lost) to 1 (all is lost). `over_current_process` is the gain over the
    current process. `over_random_choice` is the gain over a random choice that takes each action as often over all
    days as the model.
    """

    share_lost: float
    over_current_process: Interval
    over_random_choice: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return the point of the curve for JSON. Money is rounded to the cent, and an unknown figure is None."""
        return {
            "share_lost": self.share_lost,
            "over_current_process": RoundedInterval.of(self.over_current_process).to_dict(),
            "over_random_choice": RoundedInterval.of(self.over_random_choice).to_dict(),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> CurvePoint:
        """Create a point of the break-even curve from the dict that `to_dict` returns."""
        intervals = (
            RoundedInterval.from_dict(fields[name]).to_interval()
            for name in ("over_current_process", "over_random_choice")
        )
        return cls(fields["share_lost"], *intervals)


@dataclass(frozen=True)
class _CurveUnits:
    """The units of a curve, read in portions. Only their expected outcomes are in memory.

    rows: see `compute_curve`. days: the partitions, sorted.
    """

    kpi: Kpi
    rows: Rows
    days: NDArray[np.str_]
    expected: NDArray[np.float64]

    @classmethod
    def of_rows(cls, kpi: Kpi, rows: Rows) -> _CurveUnits:
        """Read the days and the expected outcomes."""
        import numpy as np

        days: set[str] = set()
        expected = [np.array([], float)]
        for portion in stored_tables.portions(rows):
            days.update(portion["_partition"].unique().to_pylist())
            expected.append(portion["expected"].to_numpy())
        return cls(kpi, rows, np.array(sorted(days)), np.concatenate(expected))

    def portions(self) -> Iterator[_Portion]:
        """Yield the units in portions."""
        import numpy as np

        start = 0
        for table in stored_tables.portions(self.rows):
            units = table.to_pandas()
            span = slice(start, start + len(units))
            days = np.searchsorted(self.days, units["_partition"].to_numpy(str))
            payoffs = build_payoffs(self.kpi, units)
            start = span.stop
            yield _Portion(
                payoffs, units["outcome"].to_numpy(float), units["current_action"].to_numpy(object), days, span
            )

    def choose_actions(self, known: NDArray[np.float64]) -> Iterator[tuple[_Portion, NDArray[Any]]]:
        """Yield each portion with the actions that pay most. known: the expected outcomes that the model still has."""
        import numpy as np

        together: Iterator[NDArray[Any]] | None = None
        if self.kpi.has_limits:
            weighed: list[tuple[ChoicePayoffs, NDArray[np.float64], Barred]] = [
                (portion.payoffs, known[portion.span], {})
                for portion in self.portions()
                if isinstance(portion.payoffs, ChoicePayoffs)
            ]
            together = choose_together(weighed)
        for portion in self.portions():
            chosen = next(together) if together else portion.payoffs.choose_actions(known[portion.span])
            yield portion, np.where(portion.payoffs.is_priced(chosen.tolist()), chosen, portion.current_action)

    def sum_for_all(self, actions: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return for each action the money that each day would have brought if all its units had got the action."""
        import numpy as np

        sums = {action: np.zeros(len(self.days)) for action in actions}
        for portion in self.portions() if actions else ():
            for action in actions:
                payoff = payoffs_for_all(self.kpi, portion.payoffs, action, portion.outcome)
                sums[action] = portion.add_by_day(sums[action], payoff)
        return sums


@dataclass(frozen=True)
class _Portion:
    """Some units of a curve. day: the position of each unit's day. span: the positions of the units among all units."""

    payoffs: Payoffs
    outcome: NDArray[np.float64]
    current_action: NDArray[Any]
    day: NDArray[np.int64]
    span: slice

    def add_by_day(self, sums: NDArray[np.float64], payoff: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of days after the payoffs of these units were added one after the other."""
        import numpy as np

        # The sums so far come first, so the numbers are added in the same order as without portions.
        days, amounts = np.concatenate([np.arange(len(sums)), self.day]), np.concatenate([sums, payoff])
        return np.bincount(days, amounts, len(sums)).astype(float)

    def realize(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        """Return the payoff of each unit under an action."""
        return self.payoffs.realized(actions.tolist(), self.outcome)


def compute_curve(kpi: Kpi, rows: Rows, units_recur: bool = False) -> list[CurvePoint]:
    """Return the points of the break-even curve, one for each share of lost information in SHARES.

    The rows are read in portions, several times. In memory are a few numbers of each unit.

    rows: one row per decision. Columns: `_partition`, `decided_at`, `expected`, `current_action`, `outcome` (never
    null), and the columns that `build_payoffs` needs.
    units_recur: whether a unit may occur in several partitions. The gains then have no interval.
    """
    import numpy as np

    units = _CurveUnits.of_rows(kpi, rows)
    expected, count = units.expected, len(units.expected)
    units_a_day, current = np.zeros(len(units.days), np.int64), np.zeros(len(units.days))
    for portion in units.portions():
        units_a_day += np.bincount(portion.day, minlength=len(units.days))
        current = portion.add_by_day(current, portion.realize(portion.current_action))
    rng = np.random.default_rng(SEED)
    luck, order = rng.random(count), rng.permutation(count)
    paid_for_all: dict[str, NDArray[np.float64]] = {}
    points = []
    for share in SHARES:
        known, losing = expected.copy(), order[luck[order] < share]
        known[np.sort(losing)] = expected[losing]
        model = np.zeros(len(units.days))
        takers: dict[str, NDArray[np.float64]] = {}
        for portion, chosen in units.choose_actions(known):
            model = portion.add_by_day(model, portion.realize(chosen))
            for action in np.unique(chosen.astype(str)).tolist():
                count_a_day = np.bincount(portion.day, chosen == action, len(units.days))
                takers[action] = takers[action] + count_a_day if action in takers else count_a_day.astype(float)
        actions = sorted(takers)
        paid_for_all |= units.sum_for_all([action for action in actions if action not in paid_for_all])
        counts = {action: float(takers[action].sum()) for action in actions}
        random_choice = random_money(counts, {action: paid_for_all[action] for action in actions})
        groups = NOT_GROUPED if units_recur else None
        gains = (
            estimate_ratio(units.days, model - other, units_a_day, block_days=kpi.block_days, groups=groups)
            for other in (current, random_choice)
        )
        points.append(CurvePoint(share, *gains))
    return points


def find_crossing(points: Sequence[CurvePoint], comparison: Comparison) -> float | None:
    """Return the share of lost information at which the gain falls to zero, interpolated between points of the curve.

    points: must be sorted by `share_lost`. Return None if there are no points, or if the gain is above zero at all
    points.
    """
    gains = [(point.share_lost, getattr(point, comparison).value) for point in points]
    if not gains or gains[0][1] <= 0:
        return 0.0 if gains else None
    for (share, gain), (next_share, next_gain) in pairwise(gains):
        if next_gain <= 0:
            return share + (next_share - share) * gain / (gain - next_gain)
    return None


def tolerable_fault_shares(impacts: Sequence[FaultImpact]) -> dict[Fault, float | None]:
    """Return, for each fault of a feed, the share of units that the fault may hit before the gain falls to zero.

    The share is None if the gain stays above zero even when the fault hits all units unnoticed.
    """
    sound_gain = next((impact.ungated.value for impact in impacts if not impact.feed), 0.0)
    faults = {(impact.feed, impact.fault): impact.ungated.value for impact in impacts if impact.feed}
    if sound_gain <= 0:
        return dict.fromkeys(faults, 0.0)
    return {fault: None if gain > 0 else sound_gain / (sound_gain - gain) for fault, gain in faults.items()}


def write_curve(ws: Workspace, track: Track) -> list[CurvePoint]:
    """Compute the break-even curve over the model's decisions with a known outcome, and write the curve to the lake.

    Return the points of the curve. Return an empty list with fewer than MINIMUM_DAYS days of such decisions. Also
    return an empty list if the action may have changed the outcome: the outcome of another action isn't known then.
    Raises RefusedFiguresError if the figures of the decisions are refused (see `refused_figures`).
    """
    import pyarrow as pa

    require_sound_figures(ws, track)
    decisions = ws.lake.entries(decisions_dataset(track))
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions or ws.use_case.is_randomized(track) or ws.use_case.kpi.treatment:
        return []
    units = _load_units(ws, decisions, outcomes)
    days = {day for portion in stored_tables.portions(units) for day in portion["_partition"].unique().to_pylist()}
    if len(days) < MINIMUM_DAYS:
        return []
    points = compute_curve(ws.use_case.kpi, units, ws.use_case.units_recur)
    rows = [
        {
            "share_lost": point.share_lost,
            "over_current_process": point.over_current_process.value,
            "over_random_choice": point.over_random_choice.value,
        }
        for point in points
    ]
    facts = {"points": [point.to_dict() for point in points], "track": track, "decisions": units.num_rows}
    inputs = {decisions_dataset(track): versions_by_partition(decisions), "outcomes": versions_by_partition(outcomes)}
    table = pa.Table.from_pylist(rows)
    ws.lake.write(DATASET, SNAPSHOT, table, inputs=inputs, code=ws.code_version, facts=facts)
    return points


def _load_units(ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]) -> Rows:
    """Return the rows that `compute_curve` needs, in a scratch file."""
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    prices, join = "".join(f", {identifier(c)}::double as {identifier(c)}" for c in kpi.payoff_sql), ""
    outcome = f"o.{identifier(kpi.outcome)}"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        if kpi.payoff_sql:
            known_then = candidates.candidates_sql(ws.use_case, ws.lake, db, decisions, [], kpi.payoff_sql)
            join = f"join {known_then} using (_partition, {key})"
        rows = db.sql(
            f"""select _partition, d.decided_at, d.expected, d.current_action, {outcome}::double as outcome{prices}
            from {ws.lake.select_rows(decisions.values())} d
            join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key}) {join}
            where d.decided_by = 'model' and {outcome} is not null and {priced_sql(kpi, "d.current_action")}
            order by _partition, d.decision_id"""
        )
        return TableStore(ws.lake.scratch).keep(rows.to_arrow_reader(stored_tables.PORTION_ROWS))


def read_curve(ws: Workspace) -> tuple[Entry | None, list[CurvePoint]]:
    """Return the manifest and the points of the stored break-even curve, or None and an empty list without a curve."""
    entry = ws.lake.entry(DATASET, SNAPSHOT)
    return entry, [CurvePoint.from_dict(fields) for fields in entry.facts["points"]] if entry else []


def explain_break_even(ws: Workspace) -> list[str]:
    """Return sentences for the owner about the break-even: how much information or sound data the model may lose.

    Without a break-even curve, the list is empty.
    """
    _, points = read_curve(ws)
    if not points:
        return []
    sentences = []
    share = find_crossing(points, "over_current_process")
    if share is None:
        sentences.append(
            "The model would still do better than the current process with all of its information missing."
        )
    else:
        sentences.append(
            f"The model would still match the current process with {share:.0%} of its information missing."
        )
    random_share = find_crossing(points, "over_random_choice")
    if random_share is not None and random_share <= 0.99:
        sentences.append(
            f"With {random_share:.0%} of its information missing, the model is no better than a random choice with as"
            " many actions."
        )
    for (feed, fault), tolerable in tolerable_fault_shares(degradation.read_impacts(ws)).items():
        if tolerable is not None and fault != "missing":
            sentences.append(
                f"The {feed} feed may {FAULT_VERBS[fault]} unnoticed for {tolerable:.0%} of the"
                f" {ws.use_case.kpi.unit_plural} before the gain falls to zero."
            )
    return sentences
