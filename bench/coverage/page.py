"""Write the page "How often our intervals are right" from the figures of a simulation.

The page is a function of `figures.json` alone, so a test compares the two. Sentences about a method that breaks its
promise appear only while a figure is outside its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.coverage import daily_worlds, unit_worlds
from bench.coverage.figures import MEASURES, Figure, ForecastBias, Measure, Results
from bench.coverage.gate_scenarios import (
    EQUAL_DEVIATION,
    GREATEST_EFFECT,
    HISTORY,
    LEAST_EFFECT,
    MONTH,
    PROVEN_GAIN,
    RETRAIN_DAYS,
    SCRAMBLED_DEVIATION,
    count_compared_days,
)
from bench.results import markdown_table
from sixtyforty.value.lift import FORECAST_CONFIDENCE
from sixtyforty.value.shrinkage import EFFECT_SCALE, NULL_SHARE, predict_shrunk

MAX_BIAS = 0.1  # difference of mean forecast and mean effect, as a share of the mean effect
BROKEN = "⚠"
NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Section:
    """A section of the page: its title, the text above its table, and the measures that are the table's columns."""

    title: str
    text: str
    measures: tuple[str, ...]


COMPARED_DAYS = ", ".join(f"{count_compared_days(days)} if retrained {name}" for name, days in RETRAIN_DAYS.items())
INTRO = """\
# How often our intervals are right

A 95% confidence interval promises to contain the true figure in 95 of 100 cases. This page shows how often our
intervals and verdicts keep such a promise. A script draws data from worlds whose truth is known, and calls the
functions that the pages call.

- **{runs:,} runs** in each world, seed {seed}. By chance alone, a figure near 95% may be off by {error:.1f} points.
- {broken} marks a figure that breaks its promise by more than simulation error and a small tolerance.
- {no_answer}: the method doesn't give an interval, because it has too few days or units.
- `make prove` runs the script again and writes this page. The test suite repeats a tenth of it.

Nobody knows which world your data come from. Read the row that is most like them, and when in doubt, the worse one.
"""

SECTIONS = (
    Section(
        "One look at the gain",
        "How often the interval contains the truth. The gain is looked at once, after a year or after all campaigns."
        " More is better. Without any effect, one look raises a false alarm in the other cases: 100% minus the figure."
        " The gate's interval, for the first recipe of a year, is valid at every look, so it is wider than one look"
        " needs. Households that recur count as clusters, next to the blocks.",
        ("estimate", "gate"),
    ),
    Section(
        "A look every day",
        f"How often the interval misses the truth at one look or more. Days {daily_worlds.INDEPENDENT.first_look} to"
        f" {daily_worlds.LOOK_DAYS} are looked at, or each campaign from the second. Less is better. Live pages,"
        " rollouts and stage gates show an interval that is made for a look every day.",
        ("daily_look", "always_valid"),
    ),
    Section(
        "The forecast for the next month",
        f"The forecast is a prediction interval for the next {daily_worlds.INDEPENDENT.month} days, here from"
        f" {daily_worlds.INDEPENDENT.history} days. How often is the gain of these days inside it? In the fixed season,"
        " the days before the forecast are the better half of the year, and the next month belongs to the worse half."
        " No method that knows only these days can foresee that, so the forecast can't hold.",
        ("forecast",),
    ),
    Section(
        "Holdouts without an effect",
        "How often a holdout reports an effect that isn't real. Less is better. The same share of intervals would miss"
        " any constant effect. If a few extreme values decide, there is no interval, unless the bounds of a value are"
        " declared. The shares are of the holdouts that had an interval. The single-look interval is made for one look,"
        " so its second column is no promise. The share test is simulated for independent units only, so its other"
        " cells are empty.",
        ("holdout_once", "holdout_daily", "holdout_always", "shares"),
    ),
    Section(
        "A year of the gate, without any effect",
        "In how many years at least one recipe is promoted, although each gains nothing on average. Recipes are"
        f" independent of one another. The gate first looks after {MONTH} days, or after two campaigns. All looks"
        " and all recipes of a year share one error budget of 5%.",
        ("null",),
    ),
    Section(
        "Refreshes",
        f"A recipe gains {PROVEN_GAIN:g} standard deviations of a day, on {HISTORY} days. The twin of an equal refresh"
        f" differs from the champion by noise of {EQUAL_DEVIATION:g} a day. The twin of a refresh with scrambled"
        f" features loses the gain, and differs by noise of {SCRAMBLED_DEVIATION:g}. Twin and champion are valued on as"
        f" many days as [the gate compares](gate.md#refreshes): {COMPARED_DAYS}. More is better in both columns.",
        ("equal", "scrambled"),
    ),
)

ADVICE = {
    "estimate": "The method treats blocks of two weeks as independent. If days depend on each other for longer, read"
    " the interval as too narrow. Raise `kpi.block_days`.",
    "gate": "The gate rests on the same blocks as the pages, and is sure too early for the same reasons.",
    "daily_look": "The interval allows for daily looks, but not for a dependence that is longer than a block. In such a"
    " case, read it as too narrow, and raise `kpi.block_days`.",
    "always_valid": "The same holds for the interval of a stage gate.",
    "forecast": "A forecast assumes that the next month is like the past. It knows no season that it hasn't seen, and"
    " no dependence that is longer than its blocks. With a season, forecast from a year or more.",
    "holdout_once": "The interval assumes that the arms' means are nearly normal. Wait for more units, or declare"
    " `kpi.holdout.bounds`.",
    "holdout_always": "The same holds for the always-valid interval of a holdout.",
    "shares": "The share test raises false alarms. Look at the shares themselves before you stop an experiment.",
    "null": "The gate's interval is too narrow for such days. Raise `kpi.block_days`, and wait for live results before"
    " you count on a new champion.",
    "equal": "Some equal refreshes are held. The champion stays, which costs little.",
    "scrambled": "The twin is valued on about two weeks (see [Gate](gate.md), step 6), so a small loss can't be seen."
    " Watch the first weeks after a refresh, and roll back if the gain is gone.",
}
BIAS_ADVICE = (
    "A model is promoted when its past looks good, so its forecast may be wrong on average although it is shrunk."
    " Compare a new champion's first month with its forecast."
)


def write_page(results: Results) -> str:
    """Return the text of the page, in Markdown."""
    error = 100 * 1.96 * (0.95 * 0.05 / results.runs) ** 0.5
    intro = INTRO.format(runs=results.runs, seed=results.seed, error=error, broken=BROKEN, no_answer=f'"{NO_ANSWER}"')
    parts = [intro, _broken_promises(results)]
    parts += [f"## {section.title}\n\n{section.text}\n\n{_table(section, results)}\n" for section in SECTIONS]
    parts += [_bias_section(results.biases), _worlds()]
    return "\n".join(parts)


def _broken_promises(results: Results) -> str:
    """Return the section that lists the broken promises, each with its worst world and what a reader should do."""
    items, kept = [], []
    for name, measure in MEASURES.items():
        broken = [figure for figure in results.of(name) if measure.is_kept(figure) is False]
        if broken:
            worst = max(broken, key=lambda figure: abs((figure.share or 0.0) - (measure.promise or 0.0)))
            rows = len(results.of(name))
            items.append(
                f"- **{_heading(measure)}.** {len(broken)} of {rows} rows break this promise. Worst is"
                f" {_percent(worst.share)} ({worst.row}). {ADVICE[name]}"
            )
        elif measure.promise is not None and results.of(name):
            kept.append(f"- **{_heading(measure)}.** Every row keeps this promise.")
    if any(not _is_unbiased(bias) for bias in results.biases):
        items.append(f"- **Forecast at promotion: the mean effect.** {BIAS_ADVICE}")
    broken_list = "\n".join(items) or "Nothing: every figure on this page is within its limits."
    kept_list = "\n".join(kept) or "Nothing on this page keeps its promise in every row."
    return f"## What promises more than it keeps\n\n{broken_list}\n\n## What keeps its promise\n\n{kept_list}\n"


def _heading(measure: Measure) -> str:
    """Return the label of a measure, and what it promises."""
    label = measure.label[0].upper() + measure.label[1:]
    if measure.promise is None:
        return label
    return f"{label}: {'at least' if measure.least else 'at most'} {_percent(measure.promise)}"


def _table(section: Section, results: Results) -> str:
    rows = list(dict.fromkeys(figure.row for name in section.measures for figure in results.of(name)))
    cells = {(name, figure.row): _cell(name, figure) for name in section.measures for figure in results.of(name)}
    headings = ["world", *(_heading(MEASURES[name]) for name in section.measures)]
    return _markdown(headings, [[row, *(cells.get((name, row), "") for name in section.measures)] for row in rows])


def _cell(name: str, figure: Figure) -> str:
    if figure.share is None:
        return NO_ANSWER
    shown = _percent(figure.share)
    if figure.answered < figure.runs:
        shown += f" (answer in {_percent(figure.answered / figure.runs)})"
    return f"{shown} {BROKEN}" if MEASURES[name].is_kept(figure) is False else shown


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%".replace(".0%", "%")


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], alignment: str = "---:|") -> str:
    return "\n".join(markdown_table(headings, rows, alignment))


def _is_unbiased(bias: ForecastBias) -> bool:
    return abs(bias.forecast - bias.effect) <= MAX_BIAS * bias.effect


def _bias_section(biases: Sequence[ForecastBias]) -> str:
    headings = ["world", "years with a promotion", "mean forecast", "mean effect", "forecast per effect"]
    headings.append("next month inside the forecast")
    rows = []
    for bias in biases:
        ratio = f"{bias.forecast / bias.effect:.2f}" if bias.effect else "–"
        mark = "" if _is_unbiased(bias) else f" {BROKEN}"
        promoted = _percent(bias.promoted / bias.runs)
        inside = _percent(bias.inside / bias.promoted if bias.promoted else None)
        rows.append([bias.row, promoted, f"{bias.forecast:.3f}", f"{bias.effect:.3f}", f"{ratio}{mark}", inside])
    return (
        "## The forecast at promotion\n\n"
        "Half of the recipes have no effect. The effect of the other half is uniform from"
        f" {LEAST_EFFECT:g} to {GREATEST_EFFECT:g} standard deviations of a day. One recipe is tried each year, with a"
        " look each month. Forecasts and effects are means over the recipes that were promoted. The ratio should be"
        f" from {1 - MAX_BIAS:g} to {1 + MAX_BIAS:g}.\n\n{_markdown(headings, rows)}\n\n"
        f"Each forecast is shrunk under the same prior, whatever the data: {NULL_SHARE:.0%} of recipes have no effect."
        f" The others' effects have a Cauchy distribution around 0, with a scale of {EFFECT_SCALE:g} standard"
        " deviations of a block of days. With this scale, forecasts are near the effects in both worlds. Such a"
        " forecast needs no correction for the number of looks or recipes. A gain"
        f" of five standard errors is shrunk to {_shrunk(5, 8):.0%} with 8 blocks, and to {_shrunk(5, 26):.0%} with 26."
        f" A gain of eight is shrunk to {_shrunk(8, 8):.0%} and {_shrunk(8, 26):.0%}.\n"
    )


def _shrunk(distance: float, blocks: int) -> float:
    """Return the share of a gain that is left after shrinking. distance: the gain in standard errors."""
    return predict_shrunk(distance, 1.0, blocks, 2.0, FORECAST_CONFIDENCE)[0] / distance


def _worlds() -> str:
    """Return the section with generator and estimand of each world."""
    daily = [[world.name, world.generator, world.estimand] for world in daily_worlds.WORLDS]
    units = [[world.name, world.generator, "difference of the arms' means, 0"] for world in unit_worlds.WORLDS]
    headings = ("world", "how the data are drawn", "true figure")
    return (
        "## The worlds\n\n"
        "Days and campaigns have equally many decisions. Their true mean gain is 0, except in the season. An interval"
        " doesn't change its width if all gains rise by the same amount, so other true gains give the same"
        f" figures.\n\n{_markdown(headings, daily, '---|')}\n\n"
        f"Holdouts keep {unit_worlds.SHARE:.0%} of the units on the current process. Their values have the same"
        f" distribution in both arms.\n\n{_markdown(headings, units, '---|')}\n\n"
        "The sources of generators and estimators are in the docstrings of `bench/coverage` and `sixtyforty/value`.\n"
    )
