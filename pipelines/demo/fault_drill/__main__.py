"""`make drill-all`: plant every kind of fault, write the page, and fail if something was lost or nobody was alerted."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from pipelines.demo.fault_drill.fault_drill import FAULTS, run_fault_drill, select_faults
from pipelines.demo.fault_drill.fault_page import is_failed, make_row, parse_rows, render_page
from pipelines.settings import ROOT
from sixtyforty.storage.files import write_atomic

PAGE = ROOT / "docs" / "reference" / "faults.md"


def show_progress(text: str) -> None:
    """Print a line about the progress of the drill."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the drill, write the page, and return 1 if anything was lost or nobody was alerted."""
    parser = argparse.ArgumentParser(prog="make drill-all", description=__doc__)
    parser.add_argument("--folder", type=Path, help="Keep the homes in this empty folder.")
    parser.add_argument("--only", default="", help="Drill the faults whose names hold one of these texts (commas).")
    arguments = parser.parse_args()
    faults = select_faults(arguments.only)
    if not faults:
        parser.error(f"no fault has such a name. Names: {'; '.join(fault.name for fault in FAULTS)}")
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    reports = run_fault_drill(arguments.folder, show_progress, faults)
    new_rows = {report.name: make_row(report, commit) for report in reports}
    rows = parse_rows(PAGE.read_text()) if arguments.only and PAGE.exists() else {}
    write_atomic(PAGE, render_page(rows | new_rows, [fault.name for fault in FAULTS]).encode())
    failed = [name for name, row in new_rows.items() if is_failed(row)]
    show_progress(f"faults: {len(new_rows)} drilled, {len(failed)} failed ({', '.join(failed) or PAGE})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
