"""Test whether the arms of an experiment got their declared shares of the units: a sequential multinomial test.

For each stratum, the evidence is the Bayes factor of "any shares" (a uniform Dirichlet prior) over "the declared
shares". Under the declared shares, the Bayes factor is a martingale that starts at 1. By Ville's inequality, the
probability that the Bayes factor ever exceeds 1 / level is at most `level`. So the test is exact, and stays valid
however often it is computed: once, every day, or after each unit. Several strata share the level equally (Bonferroni).
LEVEL is the probability of a false alarm over the whole time and all strata of an experiment together.

Source: Lindon & Malek (2022), "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 35.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sixtyforty.spec.wording import format_plural, join_first

LEVEL = 0.001
OVERALL = "overall"
SHOWN_STRATA = 3


@dataclass(frozen=True)
class DealtUnits:
    """The units of one stratum of an experiment. `declared`: each arm's share; `seen`: each arm's number of units."""

    stratum: str
    declared: Mapping[str, float]
    seen: Mapping[str, int]

    @property
    def units(self) -> int:
        """Number of units in all arms."""
        return sum(self.seen.values())

    def log_evidence(self) -> float:
        """Return the evidence that the arms didn't get their declared shares of the units, as a log Bayes factor.

        It compares the hypothesis that the arms have any shares with the hypothesis that they have the declared ones.
        """
        from scipy.special import gammaln

        arms = self.declared.keys() | self.seen.keys()
        counts = {arm: self.seen.get(arm, 0) for arm in arms}
        if any(count and not self.declared.get(arm, 0.0) for arm, count in counts.items()):
            return math.inf
        any_shares = gammaln(len(arms)) - gammaln(len(arms) + self.units) + sum(gammaln(1 + n) for n in counts.values())
        declared_shares = sum(n * math.log(self.declared[arm]) for arm, n in counts.items() if n)
        return float(any_shares - declared_shares)

    def describe(self) -> str:
        """Return the declared and seen shares as text: `overall, 400 units: act 50.0% declared and 22.3% seen`."""
        shares = ", ".join(
            f"{arm} {share:.1%} declared and {self.seen.get(arm, 0) / self.units:.1%} seen"
            for arm, share in self.declared.items()
        )
        return f"{self.stratum}, {format_plural(self.units, 'unit')}: {shares}"


def sequential_p_value(strata: Sequence[DealtUnits]) -> float:
    """Return the p-value of the share test over all strata, valid however often it is computed; 1 without units."""
    evidence = max((stratum.log_evidence() for stratum in strata if stratum.units), default=0.0)
    return min(1.0, max(len(strata), 1) * math.exp(-evidence))


def find_mismatches(strata: Sequence[DealtUnits], level: float = LEVEL) -> list[DealtUnits]:
    """Return the strata whose arms didn't get their declared shares of the units, the strongest evidence first."""
    limit = math.log(max(len(strata), 1) / level)
    evidence = [(stratum.log_evidence(), stratum) for stratum in strata if stratum.units]
    against = [pair for pair in evidence if pair[0] >= limit]
    return [stratum for _, stratum in sorted(against, key=lambda pair: (-pair[0], pair[1].stratum))]


def describe_mismatches(mismatches: Sequence[DealtUnits], declared_in: str) -> str:
    """Return a text that says which shares of an experiment were declared and seen, and what to do next.

    declared_in: the declared field with the shares, such as `kpi.holdout.share`.
    """
    shown = join_first([mismatch.describe() for mismatch in mismatches], SHOWN_STRATA)
    return (
        f"the shares of the experiment differ from those declared in {declared_in} ({shown})."
        f" Correct {declared_in}, or find out where units were lost or assigned by other shares."
    )
