"""Charts of money and usage for the reports, in colors that stay readable in print and for color-blind people.

Each `draw_…` function returns the bytes of a PNG file on white, or of an SVG element for a page. The element has no
background and takes its colors from the page's theme (`templates/style.css`). The same figures always give the same
bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_money
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import figures_by_day, group_by_period, money_by_day

if TYPE_CHECKING:
    from sixtyforty.accounting.acceptance import UsageWeek
    from sixtyforty.accounting.break_even import CurvePoint
    from sixtyforty.accounting.forecast import ChampionTerm

Form = Literal["png", "svg"]
AxesPosition = tuple[float, float, float, float]  # left, bottom, width, height: shares of the figure's size

WIDTH = 8.5  # inches of a chart: its text of 9 points is read on a phone, where the chart is narrowed and scrolls
MAX_POINTS = 1000  # points of one line in a chart; more points would not be visible
DAILY_AXES: AxesPosition = (0.14, 0.13, 0.83, 0.69)
MAX_FIXED_AMOUNT = 1e9  # labels of larger amounts don't fit next to DAILY_AXES
MAX_WEEK_LABELS = 8
MAX_DATE_LABELS = 6
INK, GRID = "#1d2939", "#eaecf0"
MODEL, CURRENT_PROCESS, RANDOM_CHOICE, FORESIGHT = "#0b6e99", "#b54708", "#8490a4", "#667085"
THEME = {INK: "ink", GRID: "line", MODEL: "good", CURRENT_PROCESS: "bad", RANDOM_CHOICE: "random", FORESIGHT: "edge"}
ABOVE = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2, "labelcolor": INK}  # a legend
POLICY_LINES = (  # field of DailyValue, legend, color, line style
    ("model", "decisions taken", MODEL, "-"),
    ("current_process", "current process", CURRENT_PROCESS, "-"),
    ("random_choice", "random choice", RANDOM_CHOICE, "--"),
    ("perfect_foresight", "perfect foresight", FORESIGHT, ":"),
)


@dataclass(frozen=True)
class Chart:
    """An SVG chart for a page. `description` is the text for people who can't see the chart."""

    svg: bytes
    description: str

    def __html__(self) -> str:
        label = f'aria-label="{escape(self.description)}"'
        picture = f'<div role="img" {label}>{self.svg.decode()}</div>'
        return f'<div class="wide" role="region" tabindex="0" {label}>{picture}</div>'


def draw_cumulative_value(kpi: Kpi, days: Sequence[DailyValue], form: Form = "png") -> bytes:
    """Draw the cumulative value of each way of deciding, by day.

    days: must be sorted by partition. The line of perfect foresight may leave the chart, because the value axis is
    scaled to the other lines. A note then says so.
    """
    from matplotlib.dates import AutoDateLocator

    totals = {policy: list(accumulate(money_by_day(days, policy))) for policy, *_ in POLICY_LINES}
    known = {policy: line for policy, line in totals.items() if not math.isnan(line[-1])}
    fits = all(abs(line[-1]) < MAX_FIXED_AMOUNT for line in known.values())
    figure, axes = _new_figure(4.2, DAILY_AXES if fits else None)
    step = math.ceil(len(days) / MAX_POINTS)
    shown = slice((len(days) - 1) % step, None, step)  # includes the last day
    dates = [date.fromisoformat(partition[:10]) for partition in figures_by_day(days, "partition")[shown]]
    for policy, legend, colour, style in POLICY_LINES:
        if policy in known:
            line = known[policy]
            label = f"{legend}: {format_money(line[-1], kpi.currency)}"
            width = 2.4 if policy == "model" else 1.6
            axes.plot(dates, line[shown], color=colour, ls=style, lw=width, label=label)
    top = max([0.0, *(max(line) for policy, line in known.items() if policy != "perfect_foresight")])
    low = min([0.0, *known.get("random_choice", totals["current_process"])])
    ends = (low * 1.05, top * 1.15 or 1)
    axes.set_ylim(*ends)
    clipped = [legend for policy, legend, *_ in POLICY_LINES if policy in known and _leaves(known[policy], ends)]
    if clipped:
        axes.set_xlabel(f"The axis is clipped: {' and '.join(clipped)} leaves the chart.", color=INK, fontsize=8)
    _format_amounts(axes)
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=MAX_DATE_LABELS))
    axes.set_ylabel(f"{kpi.currency}, cumulative since {days[0].partition}", color=INK, fontsize=9)
    axes.axhline(0, color=INK, lw=0.8)
    axes.legend(frameon=False, fontsize=9, ncols=2, **ABOVE)
    return _to_bytes(figure, form)


def _leaves(line: Sequence[float], ends: tuple[float, float]) -> bool:
    """Return whether a line leaves an axis with these two ends."""
    return min(line) < ends[0] or max(line) > ends[1]


def draw_gain_by_period(kpi: Kpi, days: Sequence[DailyValue], form: Form = "svg") -> bytes:
    """Draw the gain over the current process by month or year. Losses have another color."""
    figure, axes = _new_figure(3.4)
    gains = {
        period: sum(d.model - d.current_process for d in period_days)
        for period, period_days in group_by_period(days).items()
    }
    colours = [MODEL if gain >= 0 else CURRENT_PROCESS for gain in gains.values()]
    bars = axes.bar(list(gains), list(gains.values()), color=colours, width=0.6)
    axes.bar_label(bars, labels=[f"{gain:+,.0f}" for gain in gains.values()], fontsize=8, padding=2, color=INK)
    axes.axhline(0, color=INK, lw=0.8)
    axes.margins(y=0.15)
    _format_amounts(axes)
    if not any(gains.values()):
        axes.set_yticks([0])
    axes.set_ylabel(f"Gain over the current process, {kpi.currency}", color=INK, fontsize=9)
    return _to_bytes(figure, form)


def draw_break_even(kpi: Kpi, points: Sequence[CurvePoint], form: Form = "png") -> bytes:
    """Draw the gain over the current process and over a random choice, by the share of information that is missing.

    points: the gains measured with more and more of the model's information removed.
    """
    from matplotlib.ticker import PercentFormatter

    figure, axes = _new_figure(3.4)
    shares = [p.share_lost for p in points]
    for legend, colour, style, gains in (
        ("gain over the current process", MODEL, "-", [p.over_current_process for p in points]),
        ("gain over a random choice with as many actions", RANDOM_CHOICE, "--", [p.over_random_choice for p in points]),
    ):
        axes.plot(shares, [g.value for g in gains], color=colour, ls=style, lw=2.2, label=legend)
        axes.fill_between(shares, [g.low for g in gains], [g.high for g in gains], color=colour, alpha=0.15, lw=0)
    axes.axhline(0, color=INK, lw=0.8)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    _format_amounts(axes)
    axes.set_xlabel("Share of the model's information that is missing", color=INK, fontsize=9)
    axes.set_ylabel(f"{kpi.currency} per 1,000 {kpi.unit_plural}", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, ncols=2, **ABOVE)
    return _to_bytes(figure, form)


def draw_weekly_answers(weeks: Sequence[UsageWeek], label: str, form: Form = "png") -> bytes:
    """Draw how many decisions people followed and overrode each week. Above each bar: the number of active deciders.

    label: a remark on the figures, such as how many answers are simulated; an empty string for no remark.
    """
    figure, axes = _new_figure(3.0)
    names = [w.week for w in weeks]
    followed, overridden = [w.accepted for w in weeks], [w.overridden for w in weeks]
    axes.bar(names, followed, color=MODEL, width=0.7, label="followed")
    axes.bar(names, overridden, bottom=followed, color=CURRENT_PROCESS, width=0.7, label="overridden")
    for position, week in enumerate(weeks):
        top = week.accepted + week.overridden
        axes.annotate(f"{week.active}", (position, top), ha="center", va="bottom", fontsize=8, color=INK)
    shown = range(0, len(names), math.ceil(len(names) / MAX_WEEK_LABELS))
    axes.set_xticks(shown, [f"{date.fromisoformat(f'{names[i]}-1'):%-d %b %Y}" for i in shown])
    remark = f" ({label})" if label else ""
    axes.set_xlabel(f"First day of the week. Above each bar: active deciders{remark}", color=INK, fontsize=9)
    axes.set_ylabel("Answers per week", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, ncols=4, **ABOVE)
    return _to_bytes(figure, form)


def draw_forecasts(kpi: Kpi, terms: Sequence[ChampionTerm], form: Form = "svg") -> bytes:
    """Draw each champion's forecast gain with its prediction interval, the achieved gain, and the KPI's target."""
    figure, axes = _new_figure(3.4)
    positions, forecasts = range(len(terms)), [term.forecast for term in terms]
    lows, highs = [gain.low for gain in forecasts], [gain.high for gain in forecasts]
    axes.vlines(positions, lows, highs, color=FORESIGHT, lw=6, alpha=0.35, label="prediction interval")
    expected, achieved = [gain.value for gain in forecasts], [term.actual for term in terms]
    axes.scatter(positions, expected, color=FORESIGHT, marker="D", s=30, label="forecast", zorder=3)
    axes.scatter(positions, achieved, color=MODEL, marker="o", s=30, label="achieved", zorder=4)
    target = format_money(kpi.target, kpi.currency)
    axes.axhline(kpi.target, color=CURRENT_PROCESS, ls="--", lw=1.2, label=f"target: {target}")
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xticks(positions, [term.since[:7] for term in terms])
    axes.set_xlim(-0.5, len(terms) - 0.5)
    _format_amounts(axes)
    axes.set_xlabel("In force since", color=INK, fontsize=9)
    axes.set_ylabel(f"Gain, {kpi.currency} per 1,000 {kpi.unit_plural}", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, ncols=4, **ABOVE)
    return _to_bytes(figure, form)


def _new_figure(height: float, position: AxesPosition | None = None) -> tuple[Any, Any]:
    """Return a Matplotlib figure of this height (in inches), and its axes.

    position: left, bottom, width and height of the axes, as shares of the figure's size. With None, Matplotlib chooses
    a position that leaves room for all labels, which takes longer.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "sixtyforty"  # gives the same chart always the same element ids
    figure = Figure(figsize=(WIDTH, height), layout=None if position else "constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(position) if position else figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.set_facecolor("none")
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    return figure, axes


def _format_amounts(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda amount, _: f"{amount:,.0f}"))


def _to_bytes(figure: Any, form: Form) -> bytes:
    buffer = io.BytesIO()
    if form == "png":
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
        return buffer.getvalue()
    figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    return _themed(buffer.getvalue().decode()).encode()


def _themed(file: str) -> str:
    """Return the `<svg>` element of a file, in the colors of the page's theme. The desk forbids styles in it."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", file[file.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # several charts of a page would have the same ids
    svg = re.sub(r'style="([^"]*)"', lambda style: _to_attributes(style[1]), svg)
    return re.sub("|".join(THEME), lambda colour: f"var(--{THEME[colour[0]]})", svg)


def _to_attributes(style: str) -> str:
    """Return `fill: none; stroke: red` as the attributes `fill="none" stroke="red"`."""
    pairs = (declaration.split(":") for declaration in style.split(";") if declaration.strip())
    return " ".join(f'{name.strip()}="{content.strip()}"' for name, content in pairs)
