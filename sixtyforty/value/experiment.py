"""What decisions are worth where the action changes the outcome: the difference between two arms dealt at random.

Nobody sees what would have become of a unit under the other action. So a share of the units, drawn by a hash
(`kept.py`), keeps the current process, and the means of the two arms are compared. What was dealt out is a unit, or a
cluster of units that stay together; all sums are over clusters, so both are one formula. Units decided under different
shares lie in different strata: they are compared within each, for a share that changes with the season would
otherwise look like an effect.

Sources: ratio metrics by the delta method, Deng, Knoblich & Lu (2018), "Applying the Delta Method in Metric
Analytics"; CUPED, Deng, Xu, Kohavi & Walker (2013), "Improving the Sensitivity of Online Controlled Experiments by
Utilizing Pre-Experiment Data"; the always-valid interval, Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024),
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6), Theorem 2.2 and
appendix B.2 (the best rho).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.value.lift import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
POWER = 0.8
MISMATCH_LEVEL = (
    0.001  # sound arms look as unequal as that once in a thousand looks; looked at daily, 1 in 100 within 60
)
MINIMUM_EXPECTED = 5  # expected clusters of an arm below which chi-square says nothing
MINIMUM_CLUSTERS = (
    20  # clusters in each arm from which on the always-valid interval holds what it promises, as simulated
)


@dataclass(frozen=True)
class Arm:
    """An arm's sums over its clusters, in each of S strata. Leading axes: as many looks or runs at once as wanted.

    `clusters`: how many have units there, (…, S). `total`: their units, value and covariate, (…, S, 3). `gram`: those
    sums' products, summed over clusters, (…, 3S, 3S). `dealt`: how many clusters there are in all, (…).
    """

    clusters: Floats
    total: Floats
    gram: Floats
    dealt: Floats

    @classmethod
    def of_units(cls, moments: Floats) -> Arm:
        """Each unit was dealt by itself. Moments, (…, S, 6): sums of 1, y, x, y², xy and x² of value y, covariate x."""
        import numpy as np

        strata = moments.shape[-2]
        gram = np.zeros((*moments.shape[:-2], strata, 3, strata, 3))
        each = np.arange(strata)
        gram[..., each, :, each, :] = np.moveaxis(moments[..., [[0, 1, 2], [1, 3, 4], [2, 4, 5]]], -3, 0)
        flat = gram.reshape(*moments.shape[:-2], 3 * strata, 3 * strata)
        return cls(moments[..., 0], moments[..., :3], flat, moments[..., 0].sum(-1))

    @classmethod
    def of_clusters(cls, sums: Floats) -> Arm:
        """Clusters were dealt: (…, clusters, S, 3), each one's units, value and covariate."""
        import numpy as np

        flat = sums.reshape(*sums.shape[:-2], -1)
        dealt = np.full(sums.shape[:-3], float(sums.shape[-3]))
        return cls((sums[..., 0] > 0).sum(-2).astype(float), sums.sum(-3), flat.swapaxes(-1, -2) @ flat, dealt)

    def mean(self, weight: Floats) -> tuple[Floats, Floats]:
        """Means of value and covariate, strata weighted (…, S): (…, 2), and their covariance by the delta method."""
        import numpy as np

        units = self.total[..., 0]
        means, scale = self.total[..., 1:] / units[..., None], weight / units
        linear = np.zeros((*means.shape[:-1], 3, 2))  # of a cluster's sums: what it adds to the means' error
        linear[..., 0, :] = -means * scale[..., None]
        linear[..., 1, 0] = linear[..., 2, 1] = scale
        flat = linear.reshape(*means.shape[:-2], -1, 2)
        spread = flat.swapaxes(-1, -2) @ self.gram @ flat * (self.dealt / (self.dealt - 1))[..., None, None]
        return (weight[..., None] * means).sum(-2), spread


@dataclass(frozen=True)
class Effect:
    """The difference of a unit's value between the arms, (…).

    Its standard error, Welch's degrees of freedom, the units it rests on, the slope taken off for the covariate, and
    the difference of the covariate in its own standard errors (chance alone, for what no treatment can have moved), and
    how many clusters the smaller arm has.
    """

    value: Any
    error: Any
    freedom: Any
    units: Any
    slope: Any
    imbalance: Any
    fewest: Any

    def interval(self, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
        """Where it lies, for one look, at a moment fixed before (Welch's t)."""
        from scipy.stats import t

        reach = t.ppf(0.5 + confidence / 2, self.freedom) * self.error
        return self.value - reach, self.value + reach

    def always(self, planned: float, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
        """Where it lies, whenever and however often one looks; tightest at the planned number of units.

        The asymptotic confidence sequence: error x sqrt((1 + 1/u) log((u + 1) / alpha²)), u = units x rho². As it
        counts on a known error, its normal quantile is exchanged for Welch's t, and it begins at BEGIN clusters an arm:
        NaN before.
        """
        import numpy as np
        from scipy.stats import norm, t

        known = self.units * sequence_rho(planned, confidence) ** 2
        normal = np.sqrt((1 + 1 / known) * np.log((known + 1) / (1 - confidence) ** 2))
        reach = np.where(self.fewest < MINIMUM_CLUSTERS, np.nan, t.isf(norm.sf(normal), self.freedom) * self.error)
        return self.value - reach, self.value + reach


def sequence_rho(planned: float, confidence: float = CONFIDENCE) -> float:
    """The parameter with which the always-valid interval is tightest at so many units."""
    from scipy.special import lambertw

    return math.sqrt((-lambertw(-((1 - confidence) ** 2) / math.e, k=-1).real - 1) / planned)


def compare_arms(model: Arm, present: Arm) -> Effect:
    """The model's arm against that of the current process, per unit of the model's; both have units in each stratum.

    With a covariate (CUPED) its difference, times the slope that leaves the least error, is taken off: an unmoved
    covariate's differs from zero by chance only. NaN errors: too few clusters to tell.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        weight = model.total[..., 0] / model.total[..., 0].sum(-1, keepdims=True)
        (ours, our_spread), (theirs, their_spread) = model.mean(weight), present.mean(weight)
        gap, spread = ours - theirs, our_spread + their_spread
        moved = spread[..., 1, 1]
        slope = np.where(moved > 0, spread[..., 0, 1] / np.where(moved > 0, moved, 1), 0.0)
        rest = [s[..., 0, 0] - 2 * slope * s[..., 0, 1] + slope**2 * s[..., 1, 1] for s in (our_spread, their_spread)]
        rest = [np.maximum(r, 0.0) for r in rest]
        whole = rest[0] + rest[1]
        freedom = whole**2 / (rest[0] ** 2 / (model.dealt - 1) + rest[1] ** 2 / (present.dealt - 1))
        imbalance = np.where(moved > 0, gap[..., 1] / np.sqrt(np.where(moved > 0, moved, 1)), 0.0)
    units = model.total[..., 0].sum(-1) + present.total[..., 0].sum(-1)
    fewest = np.minimum(model.dealt, present.dealt)
    return Effect(gap[..., 0] - slope * gap[..., 1], np.sqrt(whole), freedom, units, slope, imbalance, fewest)


def sample_ratio_p_value(model: Arm, present: Arm, share: Floats) -> Any:
    """Sample-ratio mismatch: how likely arms dealt by these shares (S) are to be as unequal as that, (…); chi-square.

    Arms that aren't what was dealt lost units on the way, and not at random: no figure of theirs can be trusted. NaN:
    too few to tell.
    """
    import numpy as np
    from scipy.stats import chisquare

    seen = np.stack([model.clusters, present.clusters], -1)
    dealt = seen.sum(-1, keepdims=True) * np.stack([1 - share, share], -1)
    flat = (*seen.shape[:-2], -1)
    enough = (dealt >= MINIMUM_EXPECTED).all((-1, -2))
    likely = chisquare(
        seen.reshape(flat), np.where(dealt > 0, dealt, 1).reshape(flat), ddof=len(share) - 1, axis=-1, sum_check=False
    ).pvalue
    return np.where(enough, likely, np.nan)


@dataclass(frozen=True)
class HoldoutDesign:
    """What a holdout can show. `deviation` of a unit's value: what its covariate explains is off, clustering is in."""

    share: float
    deviation: float
    units_a_day: float

    def units(self, effect: float, always: bool = False, confidence: float = CONFIDENCE, power: float = POWER) -> float:
        """Units of both arms after which an effect per unit is found with this power: at one look, or by then always.

        n = (z(confidence) + z(power))² deviation² / (effect² share (1 - share)), as of any two means; the
        always-valid interval, planned for these units, has its own reach in place of z(confidence).
        """
        reach = _reach(confidence, always) + _z(power)
        return (reach * self.deviation / effect) ** 2 / (self.share * (1 - self.share)) if effect else math.inf

    def detectable(self, units: float, always: bool = False) -> float:
        """The smallest effect per unit that so many units of both arms are likely to show."""
        reach = _reach(CONFIDENCE, always) + _z(POWER)
        return reach * self.deviation / math.sqrt(units * self.share * (1 - self.share)) if units else math.inf

    def days(self, effect: float, always: bool = False, seen: float = 0.0) -> float:
        """Days still needed for that when so many units are seen; infinite where none come."""
        left = max(self.units(effect, always) - seen, 0.0)
        days = left / self.units_a_day if self.units_a_day else math.inf if left else 0.0
        return math.ceil(days) if days < math.inf else days


def _z(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))


def _reach(confidence: float, always: bool) -> float:
    """Standard errors from the middle to the end of an interval; of the always-valid one at its planned units."""
    return math.sqrt(sequence_rho(1, confidence) ** 2 + 1) if always else _z(0.5 + confidence / 2)


@dataclass(frozen=True)
class HoldoutEstimate:
    """What a holdout has shown so far. `lift` per 1,000 units, safe at any look; `once`: at one fixed before.

    `units` of both arms, `held` of them to the current process. `gain`: over all units of the model's arm. `likely`: of
    arms as unequal as these, were they as dealt; `imbalance` of the covariate, in standard errors. `design`: as it
    turned out.
    """

    since: str
    units: int
    held: int
    lift: Interval
    once: Interval
    gain: float
    likely: float
    imbalance: float
    design: HoldoutDesign

    @property
    def sound(self) -> bool:
        """Whether the arms are as they were dealt, in number and in what was known of them before."""
        return not self.likely < MISMATCH_LEVEL and abs(self.imbalance) < _z(1 - MISMATCH_LEVEL / 2)

    def plain(self, effect: float) -> dict[str, Any]:
        """As JSON: money to the cent; what isn't known is null. With the days left for an effect per unit."""

        def number(value: float, digits: int = 2) -> float | None:
            return round(value, digits) if math.isfinite(value) else None

        return {
            "since": self.since,
            "units": self.units,
            "held": self.held,
            "sound": self.sound,
            "lift": {k: number(v) for k, v in self.lift.__dict__.items()},
            "once": {k: number(v) for k, v in self.once.__dict__.items()},
            "gain": number(self.gain),
            "likely": number(self.likely, 6),
            "imbalance": number(self.imbalance),
            "deviation": number(self.design.deviation, 4),
            "units_a_day": number(self.design.units_a_day),
            "days_left": number(self.days_left(effect)),
        }

    def days_left(self, effect: float) -> float:
        """Days still needed until an effect per unit is likely to show in the always-valid interval."""
        return self.design.days(effect, always=True, seen=self.units)


def describe_estimate(found: HoldoutEstimate | None, unit: str, noun: str, effect: float) -> str:
    """What it shows, in a sentence or two: a loss and nothing at all as plainly as a gain. `effect`: per 1,000."""
    if found is None:
        return f"Nothing is known yet: no {noun} of both arms have an outcome."
    if not found.sound:
        return (
            f"Nothing can be said: the {noun} that kept the current process aren't those that were drawn, by number or"
            " by kind. Look for what loses some of them before trusting any figure."
        )
    lift = found.lift
    if math.isnan(lift.low):
        return (
            f"Too early to say: {found.units:,} {noun}, {found.held:,} of them kept to the current process; at least"
            f" {MINIMUM_CLUSTERS} on either side, drawn independently, are needed."
        )
    where = f"{lift.value:+,.0f} {unit} per 1,000 {noun}, surely between {lift.low:+,.0f} and {lift.high:+,.0f}"
    if lift.low > 0:
        return f"It gains: {where}."
    if lift.high < 0:
        return f"It loses: {where}. The current process does better."
    days = found.days_left(effect / 1000)
    more = (
        f"A difference of {effect:,.0f} would be likely to show after some {days:,.0f} days more."
        if 0 < days < math.inf
        else f"A difference of {effect:,.0f} would be likely to have shown by now."
    )
    return f"No effect found: {where}. {more}"
