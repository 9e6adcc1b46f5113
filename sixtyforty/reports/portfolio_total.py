"""The money of all use cases: what live use cases earned, with an interval, and what no total counts.

A total counts a use case only if its decisions are live, its gain is measured, its 95% interval excludes zero, and the
use case isn't retired. Losses count, too. `gain_total` corrects the total for this choice. The costs are those of all
use cases that ever ran live, so failed attempts are paid for.

All other use cases are listed aside: replays with what they would have brought, null results, assumed gains, retired
use cases as history, and refused figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.reports.portfolio_line import PortfolioLine
from sixtyforty.spec.money import format_money
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.gain_total import add_up_gains
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.standing import Standing


@dataclass(frozen=True)
class Total:
    """The money that the live use cases of one currency earned.

    - use_cases: the number of use cases whose live gain is proven. They make up the gain.
    - ever_live: the number of use cases that ever ran live, retired ones included. They make up the costs.
    - measured_gain: the sum of the measured gains, which is too high on average. gain: the sum corrected for selection,
      with its 95% interval (see `gain_total`).
    - build, running, run_time, responses_cost: the costs; cost: their sum.
    - net: the corrected gain minus the costs, with its interval. roi: the net as a share of the costs; None without
      costs.
    """

    currency: str
    use_cases: int
    ever_live: int
    measured_gain: float
    gain: RoundedInterval
    build: float
    running: float
    run_time: float
    responses_cost: float
    cost: float
    net: RoundedInterval
    roi: float | None

    @property
    def plain(self) -> dict[str, Any]:
        """The total as a dict for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Return sentences on the gain with its interval, and on what was corrected."""
        gain, low, high, measured, cost = (
            format_money(amount, self.currency)
            for amount in (self.gain.value, self.gain.low, self.gain.high, self.measured_gain, self.cost)
        )
        return (
            f"Gain of {format_plural(self.use_cases, 'live use case')} with a proven gain or loss: {gain}, 95% interval"
            f" {low} to {high}. It is corrected for selection: {measured} was measured. Costs of"
            f" {format_plural(self.ever_live, 'use case')} that ever ran live: {cost}."
        )


@dataclass(frozen=True)
class Aside:
    """The use cases of one currency that no total counts, with the reason.

    gain: the sum of their gains; None for null results and refused figures, which show no gain.
    """

    currency: str
    standing: Standing
    label: str
    use_cases: int
    gain: float | None

    @property
    def plain(self) -> dict[str, Any]:
        """The use cases as a dict for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Return a sentence that names the use cases, and why no total counts them."""
        count, gain = format_plural(self.use_cases, "use case"), format_money(self.gain, self.currency)
        return {
            "replay": f"Replays of {count} would have brought {gain} ({self.label} figures). Nobody acted on them.",
            "no gain shown": f"{count} with live decisions: no gain shown.",
            "assumed": f"{count} with an assumed gain of {gain}. Only a holdout can measure it.",
            "retired": f"{count} retired, with a gain of {gain} ({self.label} figures). That is history.",
        }.get(self.standing, f"{count} without figures, because they can't be trusted.")


def add_up_totals(lines: Sequence[PortfolioLine]) -> list[Total]:
    """Return the money that live use cases earned, by currency. A currency without a proven live gain has no total."""
    currencies = sorted({line.currency for line in lines if line.measured})
    return [_total(currency, [line for line in lines if line.currency == currency]) for currency in currencies]


def _total(currency: str, lines: Sequence[PortfolioLine]) -> Total:
    gains = [line.measured for line in lines if line.measured]
    ever_live = [line for line in lines if line.track == "live"]
    costs = [line.costs for line in ever_live]
    cost, gain = sum(c.total for c in costs), add_up_gains(gains)
    net = [round(end - cost, 2) for end in (gain.value, gain.low, gain.high)]
    return Total(
        currency=currency,
        use_cases=len(gains),
        ever_live=len(ever_live),
        measured_gain=round(sum(measured.gain for measured in gains), 2),
        gain=RoundedInterval.of(gain),
        build=round(sum(c.build for c in costs), 2),
        running=round(sum(c.running for c in costs), 2),
        run_time=round(sum(c.run_time for c in costs), 2),
        responses_cost=round(sum(c.responses_cost for c in costs), 2),
        cost=round(cost, 2),
        net=RoundedInterval(*net),
        roi=round(net[0] / cost, 4) if cost else None,
    )


def list_asides(lines: Sequence[PortfolioLine]) -> list[Aside]:
    """Return the use cases with a known outcome that no total counts, grouped by currency, reason and evidence."""
    groups: dict[tuple[str, Standing, str], list[PortfolioLine]] = {}
    for line in lines:
        if not line.measured and (line.decisions or line.refusal):
            groups.setdefault((line.currency, line.standing, line.label), []).append(line)
    return [_aside(*key, members) for key, members in sorted(groups.items())]


def _aside(currency: str, standing: Standing, label: str, lines: Sequence[PortfolioLine]) -> Aside:
    gain = None if standing in ("no gain shown", "not known") else round(sum(line.gain for line in lines), 2)
    return Aside(currency, standing, label, len(lines), gain)
