"""The figures of the simulation: how often a method was right, and what it promises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """How often something happened in the simulated runs of one world.

    measure: a key of MEASURES. row: the world. hits: runs in which it happened. answered: runs in which the method gave
    an interval or a verdict. runs: all runs.
    """

    measure: str
    row: str
    hits: int
    answered: int
    runs: int

    @property
    def share(self) -> float | None:
        """Hits per answered run; None without an answer."""
        return self.hits / self.answered if self.answered else None


@dataclass(frozen=True)
class ForecastBias:
    """The gains that were forecast at promotions, compared with the true effects.

    - row: the world.
    - forecast, effect: the means over the promoted runs.
    - inside: the number of promoted runs in which the gain of the next month is inside the forecast's interval.
    - spread: the standard deviation of the difference between the two.
    - promoted, runs: numbers of runs.
    """

    row: str
    forecast: float
    effect: float
    spread: float
    inside: int
    promoted: int
    runs: int


@dataclass(frozen=True)
class Measure:
    """A measured share. label: its column. promise: the share that the method promises; None: it promises none.

    least, most: the limits within which the promise is kept. Simulation error and a tolerance are included.
    """

    label: str
    promise: float | None = None
    least: float = 0.0
    most: float = 1.0

    def is_kept(self, figure: Figure) -> bool | None:
        """Return whether a figure is within the limits; None without a promise or without an answer."""
        share = figure.share
        return None if self.promise is None or share is None else self.least <= share <= self.most


MEASURES = {
    "estimate": Measure("95% interval of the gain of a replay", 0.95, least=0.93),
    "gate": Measure("always-valid 95% interval of the gate", 0.95, least=0.93),
    "daily_look": Measure("95% interval of the gain on live pages, looked at every day", 0.05, most=0.06),
    "always_valid": Measure("95% interval of a stage gate, looked at every day", 0.05, most=0.06),
    "forecast": Measure("next month inside the forecast", 0.9, least=0.87),
    "holdout_once": Measure("single-look interval of a holdout", 0.05, most=0.07),
    "holdout_daily": Measure("single-look interval, looked at every day"),
    "holdout_always": Measure("always-valid interval of a holdout, looked at every day", 0.05, most=0.05),
    "shares": Measure("share test, run every day", 0.001, most=0.004),
    "null": Measure("promoted without an effect", 0.05, most=0.05),
    "equal": Measure("equal refreshes that pass", 0.9, least=0.9),
    "scrambled": Measure("refreshes with scrambled features that are refused", 0.95, least=0.95),
}


@dataclass(frozen=True)
class Results:
    """All figures of a simulation. runs: runs a world. seed: see `scenarios.py`."""

    runs: int
    seed: int
    figures: list[Figure]
    biases: list[ForecastBias]

    @classmethod
    def combine(cls, runs: int, seed: int, parts: Sequence[Sequence[Figure | ForecastBias]]) -> Results:
        """Combine the figures of all scenarios, in their order."""
        every = [figure for part in parts for figure in part]
        figures = [figure for figure in every if isinstance(figure, Figure)]
        return cls(runs, seed, figures, [bias for bias in every if isinstance(bias, ForecastBias)])

    @classmethod
    def read(cls, file: Path) -> Results:
        """Read the file that `write` wrote."""
        stored = json.loads(file.read_text())
        figures = [Figure(**fields) for fields in stored["figures"]]
        return cls(stored["runs"], stored["seed"], figures, [ForecastBias(**fields) for fields in stored["biases"]])

    def write(self, file: Path) -> None:
        """Write the figures as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def of(self, measure: str) -> list[Figure]:
        """Return the figures of a measure, in the order of the worlds."""
        return [figure for figure in self.figures if figure.measure == measure]
