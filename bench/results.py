"""Describe the measurements of the benchmark's items, and write them as a text table and as RESULTS.md."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Settings, median, ratio

HEADINGS = ("", "chain", "other", "ratio", "aim", "met", "runs")
LIBRARIES = ("dagster", "great-expectations", "dvc", "duckdb", "pandas", "scikit-learn", "pyarrow")
HOW_TO_READ = """\
- A figure is the median of the runs in the last column. Where an item has several runs, a warm-up run precedes them.
- The chain and the others take turns in going first. A ratio is the median of the ratios of the rounds.
- Ratios hold on other machines; seconds do not.
- `chain` does everything: checks, quarantine, versions, lineage, delivery. `other` does the same work without them.
- The decisions of `chain` and `other` must have the same value. If they do not, the item fails."""


@dataclass(frozen=True)
class Row:
    """One row of a results table: what was measured, the figures of both sides as text, their ratio, and the aim."""

    label: str
    chain: str
    other: str = ""
    ratio: float | None = None
    aim: str = ""
    is_met: bool | None = None
    runs: int = 1

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells as text, in the order of HEADINGS."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}×"
        met = "" if self.is_met is None else "yes" if self.is_met else "NO"
        return self.label, self.chain, self.other, ratio, self.aim, met, str(self.runs)


@dataclass(frozen=True)
class StepTable:
    """The seconds of each step of a run, and the seconds outside of steps."""

    title: str
    steps: Mapping[str, float]
    outside: float | None = None

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The name and the seconds of each step, as text. Steps below 0.01 s are left out."""
        seconds = {**self.steps} | ({"outside of steps": self.outside} if self.outside is not None else {})
        return [(step, f"{duration:.2f}") for step, duration in seconds.items() if duration >= 0.01]


@dataclass
class ItemReport:
    """The measurements of one benchmark item. `figures` go to results.json; `minutes` is how long the item took."""

    title: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    step_tables: list[StepTable] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    minutes: float = 0.0


def compare_rounds(
    label: str,
    rounds: Sequence[Mapping[str, Any]],
    other_side: str,
    figure: str = "wall_s",
    limit: float | None = None,
) -> Row:
    """Return the row that compares the sides "chain" and `other_side` by a figure in seconds.

    `limit` is the highest ratio that meets the aim. None: there is no aim.
    """
    chain, other = (median(rounds, side, figure) for side in ("chain", other_side))
    return compare_seconds(label, chain, other, len(rounds), limit, ratio(rounds, "chain", other_side, figure))


def compare_seconds(
    label: str,
    chain: float,
    other: float,
    runs: int = 1,
    limit: float | None = None,
    sides_ratio: float | None = None,
) -> Row:
    """Return the row that compares two durations in seconds.

    `limit` is the highest ratio that meets the aim. None: there is no aim. `sides_ratio` is the ratio to show. None:
    the ratio of the two durations.
    """
    shown_ratio = chain / other if sides_ratio is None else sides_ratio
    aim, is_met = ("", None) if limit is None else (f"≤ {limit:g}×", shown_ratio <= limit)
    return Row(label, format_seconds(chain), format_seconds(other), shown_ratio, aim, is_met, runs)


def compare_memory(label: str, chain_mb: float, other_mb: float, max_mb: int, runs: int = 1) -> Row:
    """Return the row that compares two peaks of memory in MB. The aim is that the chain stays below `max_mb`."""
    texts = f"{chain_mb:,.0f} MB", f"{other_mb:,.0f} MB"
    return Row(label, *texts, chain_mb / other_mb, f"< {max_mb / 1000:g} GB", chain_mb < max_mb, runs)


def format_seconds(duration: float) -> str:
    """Return seconds as text with about two significant digits."""
    if duration >= 100:
        return f"{duration:,.0f} s"
    return f"{duration:.1f} s" if duration >= 1 else f"{1000 * duration:.0f} ms"


def text_table(report: ItemReport) -> str:
    """Return the report of a benchmark item as text for the terminal: rows in aligned columns, then remarks."""
    lines = [HEADINGS, *(row.cells for row in report.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = [report.title]
    for line in lines:
        label = line[0].ljust(widths[0])
        figures = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append("  ".join([label, *figures]))
    return "\n".join(["", *text, *(f"- {remark}" for remark in report.remarks)])


def results_page(reports: Sequence[ItemReport], settings: Settings, minutes: float) -> str:
    """Return the text of RESULTS.md: machine and date, how to read the figures, then one section per item."""
    conditions = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, in {minutes:.0f} minutes",
        "command": f"{_command(settings)}, {settings.pairs} runs per side (`--pairs`)",
        "commit": _commit(),
        **_machine(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }
    table = markdown_table(("condition", "this measurement"), list(conditions.items()), "---|")
    lines = ["# What the chain costs", "", *table, "", HOW_TO_READ]
    for report in reports:
        lines += _section(report)
    return "\n".join(lines) + "\n"


def _command(settings: Settings) -> str:
    return f"`bench/run.py --only {' '.join(settings.only)}`" if settings.only else "`make bench`"


def _section(report: ItemReport) -> list[str]:
    lines = ["", f"## {report.title}", ""]
    if report.rows:
        lines += [*markdown_table(HEADINGS, [row.cells for row in report.rows]), ""]
    lines += [*(f"- {remark}" for remark in report.remarks), f"- This item took {report.minutes:.1f} minutes."]
    for table in report.step_tables:
        lines += ["", *markdown_table((table.title, "seconds"), table.rows)]
    return lines


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], alignment: str = "---:|") -> list[str]:
    """Return the lines of a Markdown table. alignment: Markdown for all columns except the left-aligned first."""
    head = "| " + " | ".join(headings) + " |"
    rule = "|---|" + alignment * (len(headings) - 1)
    return [head, rule, *("| " + " | ".join(row) + " |" for row in rows)]


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return printed.stdout.strip() or "(not in git)"


def _machine() -> dict[str, str]:
    """Return this machine's processor, memory, system and load as text."""
    import psutil

    processor = platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    for line in cpu_info.read_text().splitlines() if cpu_info.exists() else []:
        if line.startswith("model name"):
            processor = line.partition(": ")[2]
            break
    return {
        "processor": f"{os.cpu_count()} cores, {processor}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load average": f"{os.getloadavg()[2]:.1f} over 15 minutes (the benchmark itself makes 1)",
    }
