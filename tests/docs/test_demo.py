"""`make demo`, as README shows it: it runs, and prints the figures of README's tables."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pipelines.settings import ROOT

README = (ROOT / "README.md").read_text()


def figures_of(heading: str) -> set[str]:
    """Return the figures in the `total` column of the README table with this heading."""
    table = re.search(rf"\| {heading}.*?\n\n", README, re.S)
    assert table, heading
    return set(re.findall(r"[−$ ]([\d,]+)\*{0,2} \|$", table[0], re.M))


@pytest.mark.e2e
def test_make_demo_prints_the_figures_of_the_readme(tmp_path: Path) -> None:
    environment = {**os.environ, "SIXTYFORTY_HOME": str(tmp_path), "DAGSTER_HOME": ""}
    finished = subprocess.run(["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    flights, households = figures_of("standby crews"), figures_of("offers")
    assert len(flights) == 5 and len(households) == 3
    for figure in (*flights, *households):
        assert figure in finished.stdout, figure
    for figure in ("1,965 to +12,914", "13,247", "10,422", "7,439", "10 June 2013"):
        assert figure in finished.stdout, figure
    assert (tmp_path / "data" / "reports" / "flight_delays" / "impact.html").exists()
    assert "make desk" in finished.stdout and "make ui" in finished.stdout
