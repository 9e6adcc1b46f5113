"""Build or buy: the same decisions, the same KPI, with what either costs over the horizon, discounted month by month.

What isn't surely different counts as equal: a vendor whose value can't be told from ours has ours, and the cost
decides; a gain over the current process that isn't proven is none. So a vendor that is better but dear loses, and a
cheap equal one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.spec.sourcing import Price, Sourcing
from sixtyforty.workspace import Workspace

BUILD, NEITHER = "build", "neither"
CAPABILITY = {"inside": "exists inside", "partly": "exists inside in part", "missing": "doesn't exist inside"}


class SourcingError(ValueError):
    """Why nothing can be said, or given."""


@dataclass(frozen=True)
class Case:
    """What is reckoned with. `gain`: over the current process per 1,000 units, of each way; `units` a month, now."""

    declared: Sourcing
    units: float
    running: float
    gain: Mapping[str, float]
    prices: Mapping[str, Price]

    def present(self) -> dict[str, tuple[float, float]]:
        """Present value over the horizon of what each way gains over the current process, and of what it costs."""
        d = self.declared
        gained, spent = (
            dict.fromkeys(self.gain, 0.0),
            {BUILD: d.remaining_build_cost, **{n: p.one_off for n, p in self.prices.items()}},
        )
        for month in range(1, d.horizon_months + 1):
            grown, today = (1 + d.yearly_growth) ** (month / 12), (1 + d.yearly_discount) ** (-month / 12)
            for way in gained:
                gained[way] += today * self.gain[way] / 1000 * self.units * grown
                spent[way] += today * self.monthly(way, grown)
        return {way: (gained[way], spent[way]) for way in gained}

    def monthly(self, way: str, grown: float = 1.0) -> float:
        """What a month costs once there are so many times the units of now."""
        if way == BUILD:
            return self.running * (1 + self.declared.variable_cost_share * (grown - 1))
        price = self.prices[way]
        return price.per_decision * self.units * grown + price.per_month

    def worth(self) -> dict[str, float]:
        """Net present value of each way; the current process's is 0."""
        return {way: gained - spent for way, (gained, spent) in self.present().items()}

    def verdict(self) -> str:
        """build, the vendor's name, or neither where no way pays; what is held close isn't bought."""
        ways = {w: v for w, v in self.worth().items() if w == BUILD or not self.declared.strategic}
        best = max(ways, key=lambda w: ways[w])  # equal to the cent: ours comes first
        return best if ways[best] > 0 else NEITHER

    def bearable(self, vendor: str) -> float | None:
        """The price per decision at which a vendor is worth as much as the best other way; None: at none."""
        free, dear = (self._at(vendor, price).worth()[vendor] for price in (0.0, 1.0))
        other = max(0.0, *(v for w, v in self.worth().items() if w != vendor))
        return (free - other) / (free - dear) if free > other and free > dear else None

    def _at(self, vendor: str, per_decision: float) -> Case:
        price = self.prices[vendor].model_copy(update={"per_decision": per_decision})
        return replace(self, prices={**self.prices, vendor: price})


def reckon(ws: Workspace, track: str) -> dict[str, Any]:
    """The scorecard, its verdict and what would change it. Raises SourcingError where nothing can be said."""
    case, declared = ws.use_case, ws.use_case.sourcing
    if declared is None:
        raise SourcingError(f"{case.name} declares no sourcing: build or buy isn't asked")
    found, days = kpi_ledger.summary(ws, track), kpi_ledger.days(ws, track)
    if not days:
        raise SourcingError(f"nothing is known yet on the {track} track: run the chain")
    first, last = days[0].partition, days[-1].partition
    length = (case.closes(last) - case.opens(first)) / (case.number(last) - case.number(first) + 1)
    span = length * (case.number(last) - case.number(first) + case.decision.every_partitions)
    asked = {n: found["candidates"][n] for n in declared.vendors if found["candidates"][n]["decisions"]}
    ours, gain = found["lift_vs_current"], {BUILD: _sure(found["lift_vs_current"])}
    gain |= {n: gain[BUILD] if _same(c["model_minus"]) else _sure(c["lift_vs_current"]) for n, c in asked.items()}
    units = found["decisions"] / (span.total_seconds() / 86400) * DAYS_A_MONTH
    now = Case(declared, units, case.kpi.costs.per_month, gain, {n: declared.vendors[n] for n in asked})
    worth, verdict = now.worth(), now.verdict()
    return {
        "verdict": verdict,
        "why": _why(now, worth, verdict, {n: _same(c["model_minus"]) for n, c in asked.items()}),
        "label": found["label"],
        "unit": case.kpi.unit,
        "capability": CAPABILITY[declared.capability],
        "strategic": declared.strategic,
        "because": declared.why,
        "units_a_month": round(units),
        "months": declared.horizon_months,
        "discount": declared.yearly_discount,
        "growth": declared.yearly_growth,
        "ways": [_way(now, w, found, asked) for w in worth],
        "sensitivity": [
            {"if": what, "verdict": c.verdict(), "changes": c.verdict() != verdict}
            for what, c in _others(now, ours, asked).items()
        ],
        "not_asked": sorted(set(declared.vendors) - set(asked)),
    }


def _same(paired: Mapping[str, Any]) -> bool:
    """Whether two ways can't be told apart; without an interval they can't."""
    return paired["low"] is None or paired["low"] <= 0 <= paired["high"]


def _sure(lift: Mapping[str, Any]) -> float:
    """A gain over the current process; 0 where it isn't surely one or a loss."""
    return 0.0 if _same(lift) else float(lift["value"])


def _way(now: Case, way: str, found: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    (gained, spent), price = now.present()[way], now.prices.get(way)
    bearable = now.bearable(way) if price else None
    return {
        "way": way,
        "gain_per_1000": round(asked.get(way, found)["lift_vs_current"]["value"], 2),
        "counted_as": round(now.gain[way], 2),
        "gain": round(gained, 2),
        "cost": round(spent, 2),
        "worth": round(gained - spent, 2),
        "roi": round((gained - spent) / spent, 2) if spent else None,
        "cost_per_1000": round(1000 * now.monthly(way) / now.units, 2),
        "cost_per_1000_at_ten_times": round(100 * now.monthly(way, 10.0) / now.units, 2),
        "bearable_per_decision": None if bearable is None else round(bearable, 4),
    }


def _why(now: Case, worth: Mapping[str, float], verdict: str, same: Mapping[str, bool]) -> list[str]:
    said = [f"It is held close, so it isn't bought: {now.declared.why}"] if now.declared.strategic else []
    for name in now.prices:
        value = (
            "can't be told from ours"
            if same[name]
            else ("is better than ours" if now.gain[name] > now.gain[BUILD] else "is worse than ours")
        )
        more = "more" if worth[name] > worth[BUILD] else "less"
        said.append(f"What {name} decides {value}; once either is paid for, it is worth {more} than ours.")
    if verdict == NEITHER:
        said.append("No way is worth more than it costs: keep the current process.")
    return said


def _others(now: Case, ours: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Case]:
    """What else might be, one thing at a time."""
    d = now.declared

    def declared(**changes: float) -> Case:
        return replace(now, declared=d.model_copy(update=changes))

    def gains(end: str) -> Case:
        own = ours[end] if ours[end] is not None else ours["value"]
        same = {n: own for n, c in asked.items() if _same(c["model_minus"])}
        return replace(now, gain={**now.gain, BUILD: own, **same})

    def priced(by: float) -> Case:
        dear = {n: Price(**{k: v * by for k, v in p.model_dump().items()}) for n, p in now.prices.items()}
        return replace(now, prices=dear)

    found = {
        "our gain at the low end of its interval": gains("low"),
        "our gain at the high end of its interval": gains("high"),
        "building costs twice as much": declared(remaining_build_cost=2 * d.remaining_build_cost),
        "running costs twice as much": replace(now, running=2 * now.running),
        "no growth": declared(growth=0.0),
        "growth of half as much again a year": declared(growth=0.5),
        "a horizon of one year": declared(months=12),
        "a horizon of five years": declared(months=60),
        "money costs nothing": declared(discount=0.0),
        "money costs twice as much": declared(discount=2 * d.yearly_discount),
    }
    return found | ({"vendors ask half": priced(0.5), "vendors ask twice": priced(2.0)} if now.prices else {})
