"""The table of results, for the terminal and as a page."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.measure import ROOT, Found, Row, Settings

HEAD = ("", "chain", "other", "ratio", "aim", "met", "runs")
LIBRARIES = ("dagster", "great-expectations", "dvc", "duckdb", "pandas", "scikit-learn", "pyarrow")


def table(found: Found) -> str:
    """One item's rows, as wide as they need, and its remarks."""
    lines = [HEAD, *(cells(r) for r in found.rows)]
    wide = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    said = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, wide, strict=True)))
        for line in lines
    ]
    return "\n".join(["", found.title, *said, *(f"- {r}" for r in found.remarks)])


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}×"
    met = "" if row.met is None else "yes" if row.met else "NO"
    return row.what, row.ours, row.other, ratio, row.aim, met, str(row.runs)


def page(all_found: Sequence[Found], settings: Settings, minutes: float) -> str:
    """RESULTS.md: machine, date, how it was measured, then the items."""
    lines = [
        "# What the chain costs",
        "",
        f"Measured by `make bench` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC in {minutes:.0f} minutes, at commit"
        f" {_commit()}, on {_machine()}. {', '.join(f'{n} {version(n)}' for n in LIBRARIES)}.",
        "",
        "Each figure is the median of the runs in the last column, after a run that warmed up where there is more than"
        f" one (the year's over four months; `--pairs`, here {settings.pairs}); sides took turns at being first. A"
        " ratio is the median of the pairs' ratios: it holds on other machines, seconds don't. `chain` is all the chain"
        " does: checks, quarantine,"
        " versions, lineage, delivery. `other` does the same work without, to the same money, which is compared.",
    ]
    for found in all_found:
        lines += ["", f"## {found.title}", ""]
        if found.rows:
            lines += ["| | " + " | ".join(HEAD[1:]) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
            lines += ["| " + " | ".join(cells(r)) + " |" for r in found.rows]
        lines += ["", *(f"- {r}" for r in found.remarks), f"- Measuring this took {found.minutes:.1f} minutes."]
    return "\n".join(lines) + "\n"


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "(not in git)"


def _machine() -> str:
    """Cores, memory, processor, system and how busy it was with other work."""
    import psutil

    model = next(
        (line.partition(": ")[2] for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")), ""
    )
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({model or platform.machine()}), {memory:.0f} GB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}; load average {os.getloadavg()[2]:.1f} over the"
        " last quarter of an hour (1 is what the benchmark itself makes)"
    )


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
