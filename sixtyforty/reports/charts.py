"""Charts for people who decide: money, in a style that survives print and colour-blind eyes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import accumulate
from math import isnan
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.lift import Day, by_period

if TYPE_CHECKING:
    from sixtyforty.accounting.acceptance import Week
    from sixtyforty.accounting.break_even import Point
    from sixtyforty.accounting.forecast import Term

POINTS = 1000  # of a line, at most: nobody sees more
DAILY, WIDEST = (0.11, 0.08, 0.6, 0.88), 1e9  # where the axes lie in a picture, and the amounts there is room for
INK, MODEL, PRESENT, COIN, BEST = "#1d2939", "#0b6e99", "#b54708", "#98a2b3", "#667085"


@dataclass(frozen=True)
class Chart:
    """A picture in a page, as SVG with or without a file's first lines, and what those who can't see it are told."""

    file: bytes
    shows: str

    @property
    def svg(self) -> str:
        """The picture's own element."""
        text = self.file.decode()
        return text[text.index("<svg") :]

    def __html__(self) -> str:
        return f'<div class="wide" role="img" aria-label="{escape(self.shows)}">{self.svg}</div>'


def _figure(width: float, height: float, place: tuple[float, float, float, float] | None = None) -> tuple[Any, Any]:
    """A figure (inches) with its axes; `place`: where they lie in it. None: Matplotlib looks, as long as it draws."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=None if place else "constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(place) if place else figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#eaecf0")
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    return figure, axes


def cumulative(kpi: Kpi, days: Sequence[Day], form: str = "png") -> bytes:
    """Cumulative value by day: decisions, current process, random choice; perfect foresight has its own scale."""
    import matplotlib as mpl
    from matplotlib.ticker import FuncFormatter

    mpl.rcParams["svg.hashsalt"] = "sixtyforty"  # the same days, the same file
    lines = (
        ("model", "with the model", MODEL, "-"),
        ("current_process", "current process", PRESENT, "-"),
        ("random_choice", "random choice, as many actions", COIN, "--"),
        ("perfect_foresight", "perfect foresight", BEST, ":"),
    )
    gathered = {name: list(accumulate(getattr(d, name) for d in days)) for name, *_ in lines}
    known = {name: y for name, y in gathered.items() if not isnan(y[-1])}  # of others nobody knows
    figure, axes = _figure(11, 4.2, DAILY if all(abs(y[-1]) < WIDEST for y in known.values()) else None)
    every = -(-len(days) // POINTS)
    shown = slice((len(days) - 1) % every, None, every)  # the last one among them
    x = [date.fromisoformat(d.partition[:10]) for d in days[shown]]
    for name, label, colour, style in lines:
        if y := known.get(name):
            width = 2.4 if name == "model" else 1.6
            axes.plot(x, y[shown], color=colour, ls=style, lw=width, label=f"{label}: {y[-1]:,.0f}")
    top = max([0.0, *(max(y) for name, y in known.items() if name != "perfect_foresight")])
    low = min([0.0, *known.get("random_choice", gathered["current_process"])])
    axes.set_ylim(low * 1.05, top * 1.15 or 1)  # perfect foresight leaves the picture: the others stay readable
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axes.set_ylabel(f"{kpi.unit}, gathered since {days[0].partition}", color=INK, fontsize=9)
    axes.axhline(0, color=INK, lw=0.8)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _saved(figure, form)


def months(kpi: Kpi, days: Sequence[Day], form: str = "svg") -> bytes:
    """Net impact by month, or year: what decisions brought beyond the current process; losses in another colour."""
    import matplotlib as mpl
    from matplotlib.ticker import FuncFormatter

    mpl.rcParams["svg.hashsalt"] = "sixtyforty"
    figure, axes = _figure(11, 3.4)
    net = {m: sum(d.model - d.current_process for d in ds) for m, ds in by_period(days).items()}
    bars = axes.bar(
        list(net), list(net.values()), color=[MODEL if v >= 0 else PRESENT for v in net.values()], width=0.6
    )
    axes.bar_label(bars, labels=[f"{v:+,.0f}" for v in net.values()], fontsize=8, padding=2, color=INK)
    axes.axhline(0, color=INK, lw=0.8)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axes.set_ylabel(f"{kpi.unit} beyond the current process", color=INK, fontsize=9)
    return _saved(figure, form)


def break_even(kpi: Kpi, points: Sequence[Point], form: str = "png") -> bytes:
    """Lift over the current process and over a random choice, by the share of the knowledge that is lost."""
    import matplotlib as mpl
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    mpl.rcParams["svg.hashsalt"] = "sixtyforty"
    figure, axes = _figure(11, 3.4)
    x = [p.lost for p in points]
    for over, label, colour, style in (
        ("present", "over the current process", MODEL, "-"),
        ("coin", "over a random choice, as many actions", COIN, "--"),
    ):
        lifts = [getattr(p, over) for p in points]
        axes.plot(x, [i.value for i in lifts], color=colour, ls=style, lw=2.2, label=label)
        axes.fill_between(x, [i.low for i in lifts], [i.high for i in lifts], color=colour, alpha=0.15, lw=0)
    axes.axhline(0, color=INK, lw=0.8)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axes.set_xlabel("share of what the model knows that is lost", color=INK, fontsize=9)
    axes.set_ylabel(f"{kpi.unit} per 1,000 {kpi.noun}", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9)
    return _saved(figure, form)


def weeks(found: Sequence[Week], label: str, form: str = "png") -> bytes:
    """Answers by week: followed, and overridden on top of them; above, how many deciders came. `label`: said beside."""
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = "sixtyforty"
    figure, axes = _figure(11, 3.0)
    x = [w.week for w in found]
    axes.bar(x, [w.accepted for w in found], color=MODEL, width=0.7, label="followed")
    axes.bar(
        x,
        [w.overridden for w in found],
        bottom=[w.accepted for w in found],
        color=PRESENT,
        width=0.7,
        label="overridden",
    )
    for place, week in enumerate(found):
        axes.annotate(
            f"{week.active}", (place, week.accepted + week.overridden), ha="center", va="bottom", fontsize=8, color=INK
        )
    shown = range(0, len(x), -(-len(x) // 8))
    axes.set_xticks(shown, [f"{date.fromisoformat(f'{x[i]}-1'):%-d %b %Y}" for i in shown])
    axes.set_xlabel(
        f"week from; above the bars, the deciders who came{f' ({label})' if label else ''}", color=INK, fontsize=9
    )
    axes.set_ylabel("answers a week", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _saved(figure, form)


def promises(kpi: Kpi, terms: Sequence[Term], form: str = "svg") -> bytes:
    """What was forecast and what came of it, term by term, with their intervals, and the target."""
    import matplotlib as mpl
    from matplotlib.ticker import FuncFormatter

    mpl.rcParams["svg.hashsalt"] = "sixtyforty"
    figure, axes = _figure(11, 3.4)
    for name, label, colour, mark, aside in (
        ("promised", "forecast", BEST, "D", -0.12),
        ("kept", "what came of it", MODEL, "o", 0.12),
    ):
        found = [getattr(t, name) for t in terms]
        x = [i + aside for i in range(len(terms))]
        axes.vlines(x, [i.low for i in found], [i.high for i in found], color=colour, lw=2.2, alpha=0.5)
        axes.scatter(x, [i.value for i in found], color=colour, marker=mark, s=30, label=label, zorder=3)
    axes.axhline(kpi.target, color=PRESENT, ls="--", lw=1.2, label=f"target: {kpi.target:,.0f}")
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xticks(range(len(terms)), [t.since[:7] for t in terms])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axes.set_ylabel(f"{kpi.unit} per 1,000 {kpi.noun}", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _saved(figure, form)


def _saved(figure: Any, form: str) -> bytes:
    out = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    figure.savefig(out, format=form, dpi=100, metadata=metadata)
    return out.getvalue()
