"""`make drill-all`: plant every kind of fault, write the page, and fail if something was lost or nobody was alerted."""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipelines.demo.fault_drill.fault_drill import as_table, run_fault_drill
from pipelines.settings import ROOT
from sixtyforty.storage.files import write_atomic

PAGE = ROOT / "docs" / "reference" / "faults.md"
TEXT = """# Faults and who is alerted

`make drill-all` writes this page. For each kind of fault, it copies a live home of the flights, plants the fault, and
lets the chain run until the first sign. `sixtyforty watch` then looks twice; usually it looks once a minute. After
that, the fault is mended, and the chain catches up.

- *What happened*: the decisions of the hour after the fault, and why a run failed.
- *Lost*: due decisions, changed decisions and landed rows that are missing after the fault was mended.
- *Recipient*: who got an alert, at which look after the first sign, and how many seconds that look took.

The first sign of an insider's manipulation is the nightly verification. Three faults are simulated: the disk is not
filled, Supervisor is not killed, and the clock of the watch is set in place of the machine's.

Drilled on {day} at commit {commit}: {count} faults, {problems}.

{table}
"""


def show_progress(text: str) -> None:
    """Print a line about the progress of the drill."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the drill, write the page, and return 1 if anything was lost or nobody was alerted."""
    parser = argparse.ArgumentParser(prog="make drill-all", description=__doc__)
    parser.add_argument("--folder", type=Path, help="Keep the homes in this empty folder.")
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    reports = run_fault_drill(parser.parse_args().folder, show_progress)
    failed = [report.name for report in reports if not report.ok]
    problems = (
        f"{len(failed)} of them lost something or alerted nobody" if failed else "nothing lost, all of them reported"
    )
    page = TEXT.format(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=commit.stdout.strip(),
        count=len(reports),
        problems=problems,
        table=as_table(reports),
    )
    write_atomic(PAGE, page.encode())
    show_progress(f"faults: {problems} ({', '.join(failed) or PAGE})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
