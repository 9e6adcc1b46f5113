"""Compare building with buying from each vendor, on the same decisions and the same KPI, including all costs.

A "way" to get the decisions is either BUILD (the model of this project) or a vendor. Gains and costs are discounted
month by month over the horizon. The comparison covers only those units that both the model and the vendors could
decide (see `comparable_units`). If a vendor's decisions show no proven difference from ours, the vendor counts with our
gain, so only the costs differ. A gain over the current process that isn't proven counts as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sixtyforty.accounting import kpi_ledger, kpi_summary
from sixtyforty.accounting.comparable_units import count_units, read_comparable_values
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.spec.sourcing import Price, Sourcing
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.summary import CandidateSummary
from sixtyforty.workspace import Workspace

BUILD, NEITHER = "build", "neither"
CAPABILITY = {"inside": "exists inside", "partly": "exists partly inside", "missing": "doesn't exist inside"}


class SourcingError(SixtyfortyError):
    """Building and buying can't be compared, or an extract may not be given to a vendor."""


@dataclass(frozen=True)
class CostModel:
    """The inputs of the comparison between building and buying. Money is in the KPI's currency.

    - declared: the declared assumptions, such as the horizon and the discount rate.
    - units_a_month: the number of units that are decided in a month today.
    - running: the declared monthly cost of running the use case if we build the model.
    - gain_per_1000: the gain over the current process per 1,000 units, of BUILD and of each vendor.
    - prices: the prices of each vendor, by the vendor's name.
    """

    declared: Sourcing
    units_a_month: float
    running: float
    gain_per_1000: Mapping[str, float]
    prices: Mapping[str, Price]

    def present_values(self) -> dict[str, tuple[float, float]]:
        """Return two present values for BUILD and each vendor: the gain over the current process, and the cost."""
        gains = dict.fromkeys(self.gain_per_1000, 0.0)
        costs = {BUILD: self.declared.remaining_build_cost, **{name: p.one_off for name, p in self.prices.items()}}
        for month in range(1, self.declared.horizon_months + 1):
            growth = (1 + self.declared.yearly_growth) ** (month / 12)
            discount = (1 + self.declared.yearly_discount) ** (-month / 12)
            for way in gains:
                gains[way] += discount * self.gain_per_1000[way] / 1000 * self.units_a_month * growth
                costs[way] += discount * self.monthly_cost(way, growth)
        return {way: (gains[way], costs[way]) for way in gains}

    def monthly_cost(self, way: str, growth: float = 1.0) -> float:
        """Return the cost of one month for BUILD or a vendor, with `growth` times as many units as today."""
        if way == BUILD:
            return self.running * (1 + self.declared.variable_cost_share * (growth - 1))
        price = self.prices[way]
        return price.per_decision * self.units_a_month * growth + price.per_month

    def net_present_values(self) -> dict[str, float]:
        """Return the net present value of BUILD and of each vendor: gain over the current process minus cost."""
        return {way: gain - cost for way, (gain, cost) in self.present_values().items()}

    def best_way(self) -> str:
        """Return BUILD or the vendor with the highest net present value, or NEITHER if no value is above zero.

        If the capability is declared strategic, no vendor is considered. If the values are equal, BUILD is returned.
        """
        values = {w: v for w, v in self.net_present_values().items() if w == BUILD or not self.declared.strategic}
        best = max(values, key=lambda way: values[way])
        return best if values[best] > 0 else NEITHER

    def break_even_price(self, vendor: str) -> float | None:
        """Return the price per decision at which a vendor's net present value equals the best of the other options.

        The other options are BUILD, the other vendors and the current process. Return None if no such price exists.
        """
        free, at_one = (self._with_price(vendor, price).net_present_values()[vendor] for price in (0.0, 1.0))
        best_other = max(0.0, *(v for way, v in self.net_present_values().items() if way != vendor))
        return (free - best_other) / (free - at_one) if free > best_other and free > at_one else None

    def _with_price(self, vendor: str, per_decision: float) -> CostModel:
        price = self.prices[vendor].model_copy(update={"per_decision": per_decision})
        return replace(self, prices={**self.prices, vendor: price})


@dataclass(frozen=True)
class WayScore:
    """The figures of one way to get the decisions: BUILD or a vendor. Money is in the KPI's currency.

    `gain_per_1000` is the measured gain over the current process per 1,000 units. `counted_gain_per_1000` is the gain
    that the comparison counts: 0 for an unproven gain, and our gain for a vendor without a proven difference from ours.
    `gain`, `cost` and `net_present_value` cover the horizon. `cost_per_1000` is the cost today per 1,000 units,
    `cost_per_1000_at_ten_times` the cost with ten times as many units.
    """

    way: str
    gain_per_1000: float | None
    counted_gain_per_1000: float
    gain: float
    cost: float
    net_present_value: float
    roi: float | None
    cost_per_1000: float
    cost_per_1000_at_ten_times: float
    break_even_price_per_decision: float | None


@dataclass(frozen=True)
class Scenario:
    """The verdict on build or buy if one assumption differs. `changes`: whether the difference changes the verdict."""

    assumption: str
    verdict: str
    changes: bool


@dataclass(frozen=True)
class Scorecard:
    """The comparison of building with all vendors. `verdict` is BUILD, a vendor's name or NEITHER.

    `why` explains the verdict in sentences. `strategic_reason` is the declared reason why the capability is strategic
    or not. `months` is the horizon. `discount` and `growth` are yearly rates. Money is in the currency `unit`.
    """

    verdict: str
    why: list[str]
    label: str
    unit: str
    capability: str
    strategic: bool
    strategic_reason: str
    units_a_month: int
    months: int
    discount: float
    growth: float
    ways: list[WayScore]
    scenarios: list[Scenario]
    vendors_without_decisions: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the scorecard for JSON."""
        return asdict(self)


def score_build_or_buy(ws: Workspace, track: Track) -> Scorecard:
    """Return the comparison of building with all vendors, computed from a track's KPI accounts.

    Raises SourcingError if no sourcing is declared, or if no outcome is known yet.
    """
    use_case, declared = ws.use_case, ws.use_case.sourcing
    if declared is None:
        raise SourcingError(
            f"{use_case.name}: no sourcing is declared. Declare `sourcing` in defs.yaml to compare build and buy."
        )
    daily_values = _read_values(ws, track, declared)
    summary = kpi_summary.summarize_kpi(ws, track, daily_values=daily_values)
    vendors = {name: c for name in declared.vendors if (c := summary.candidates[name]).per_1000 is not None}
    counted = {BUILD: _counted_gain(summary.lift_vs_current)}
    counted |= {
        name: counted[BUILD] if c.model_minus.contains_zero else _counted_gain(c.lift_vs_current)
        for name, c in vendors.items()
    }
    model = CostModel(
        declared=declared,
        units_a_month=_units_a_month(ws, track),
        running=use_case.kpi.costs.per_month,
        gain_per_1000=counted,
        prices={name: declared.vendors[name] for name in vendors},
    )
    verdict = model.best_way()
    scenarios = _scenarios(model, summary.lift_vs_current, vendors)
    return Scorecard(
        verdict=verdict,
        why=_explain_verdict(model, vendors, verdict),
        label=summary.label,
        unit=use_case.kpi.currency,
        capability=CAPABILITY[declared.capability],
        strategic=declared.strategic,
        strategic_reason=declared.why,
        units_a_month=round(model.units_a_month),
        months=declared.horizon_months,
        discount=declared.yearly_discount,
        growth=declared.yearly_growth,
        ways=[_score_way(model, way, summary, vendors) for way in counted],
        scenarios=[Scenario(name, c.best_way(), c.best_way() != verdict) for name, c in scenarios.items()],
        vendors_without_decisions=sorted(set(declared.vendors) - set(vendors)),
    )


def _read_values(ws: Workspace, track: Track, declared: Sourcing) -> Sequence[DailyValue]:
    """Return the value of each partition. If vendors are declared, only units on which the model could decide count."""
    name, daily_values = ws.use_case.name, kpi_ledger.read_daily_values(ws, track)
    if not daily_values and count_units(ws, track):
        raise SourcingError(
            f"{name}: all {track} decisions with a known outcome are in shadow or held out, so the model can't be"
            " compared yet. Compare the replay, or advance the rollout."
        )
    if not daily_values:
        raise SourcingError(f"{name}: no outcome is known yet on the {track} track. Run the chain first.")
    comparable = read_comparable_values(ws, track) if declared.vendors else daily_values
    if not comparable:
        raise SourcingError(
            f"{name}: no champion was in force for any {track} decision with a known outcome, so the model can't be"
            " compared with a vendor. Promote a model first."
        )
    return comparable


def _units_a_month(ws: Workspace, track: Track) -> float:
    """Return how many units are decided in a month. Units in shadow or held out count, too."""
    counts = count_units(ws, track)
    days = _days_covered(ws.use_case, min(counts), max(counts))
    return sum(counts.values()) / days * DAYS_A_MONTH


def _days_covered(use_case: UseCase, first: str, last: str) -> float:
    """Return how many days some partitions' decisions cover. A decision covers the days until the next decision."""
    partitions = use_case.index_of(last) - use_case.index_of(first)
    length = (use_case.closes_at(last) - use_case.opens_at(first)) / (partitions + 1)
    return (length * (partitions + use_case.decision.every_partitions)).total_seconds() / 86400


def _counted_gain(lift: RoundedInterval) -> float:
    """Return the gain over the current process (negative: a loss), or 0 if the confidence interval contains zero."""
    return 0.0 if lift.contains_zero or lift.value is None else lift.value


def _score_way(model: CostModel, way: str, summary: KpiSummary, vendors: Mapping[str, CandidateSummary]) -> WayScore:
    gain, cost = model.present_values()[way]
    break_even_price = model.break_even_price(way) if way in model.prices else None
    measured = vendors[way].lift_vs_current if way in vendors else summary.lift_vs_current
    return WayScore(
        way=way,
        gain_per_1000=measured.value,
        counted_gain_per_1000=round(model.gain_per_1000[way], 2),
        gain=round(gain, 2),
        cost=round(cost, 2),
        net_present_value=round(gain - cost, 2),
        roi=round((gain - cost) / cost, 2) if cost else None,
        cost_per_1000=round(1000 * model.monthly_cost(way) / model.units_a_month, 2),
        cost_per_1000_at_ten_times=round(100 * model.monthly_cost(way, 10.0) / model.units_a_month, 2),
        break_even_price_per_decision=None if break_even_price is None else round(break_even_price, 4),
    )


def _explain_verdict(model: CostModel, vendors: Mapping[str, CandidateSummary], verdict: str) -> list[str]:
    sentences = []
    if model.declared.strategic:
        sentences.append(f"The capability is strategic, so it isn't bought: {model.declared.why}")
    net = model.net_present_values()
    for name, candidate in vendors.items():
        if candidate.model_minus.contains_zero:
            quality = "show no proven difference from ours"
        else:
            better = model.gain_per_1000[name] > model.gain_per_1000[BUILD]
            quality = f"are {'better' if better else 'worse'} than ours"
        rank = "higher" if net[name] > net[BUILD] else "lower"
        sentences.append(f"The decisions of {name} {quality}; after all costs, their net present value is {rank}.")
    if verdict == NEITHER:
        sentences.append("No way gains more than it costs: keep the current process.")
    return sentences


def _scenarios(
    model: CostModel, lift: RoundedInterval, vendors: Mapping[str, CandidateSummary]
) -> dict[str, CostModel]:
    """Return what building and buying would cost and gain under other assumptions: one cost model per assumption.

    The keys are descriptions of the assumptions.
    """
    declared = model.declared

    def with_gain(end: float | None) -> CostModel:
        gain = end if end is not None else lift.value or 0.0
        equal = {name: gain for name, c in vendors.items() if c.model_minus.contains_zero}
        return replace(model, gain_per_1000={**model.gain_per_1000, BUILD: gain, **equal})

    def with_declared(**changes: float) -> CostModel:
        return replace(model, declared=Sourcing(**declared.model_dump() | changes))

    def with_prices(factor: float) -> CostModel:
        prices = {name: Price(**{f: v * factor for f, v in p.model_dump().items()}) for name, p in model.prices.items()}
        return replace(model, prices=prices)

    scenarios = {
        "our gain at the low end of its interval": with_gain(lift.low),
        "our gain at the high end of its interval": with_gain(lift.high),
        "building costs twice as much": with_declared(remaining_build_cost=2 * declared.remaining_build_cost),
        "running costs twice as much": replace(model, running=2 * model.running),
        "no growth": with_declared(yearly_growth=0.0),
        "growth of 50% a year": with_declared(yearly_growth=0.5),
        "a horizon of 1 year": with_declared(horizon_months=12),
        "a horizon of 5 years": with_declared(horizon_months=60),
        "no discounting": with_declared(yearly_discount=0.0),
        "twice the discount rate": with_declared(yearly_discount=2 * declared.yearly_discount),
    }
    if model.prices:
        scenarios |= {"vendors charge half": with_prices(0.5), "vendors charge twice as much": with_prices(2.0)}
    return scenarios
