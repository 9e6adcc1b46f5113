"""Write the page about the drilled faults, and read the rows of an earlier page, so that single faults can be rerun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.demo.fault_drill.fault import FaultReport
from sixtyforty.spec.wording import format_plural

HEADER = ("fault", "what happened", "lost", "recipient, after how long", "drilled at")
NOTHING, NOBODY = "nothing", "nobody"
TEXT = """# Faults and who is alerted

`make drill-all` writes this page. For each kind of fault, it copies a live home of the flights, plants the fault, and
lets the chain run until the first sign. `sixtyforty watch` then looks twice; usually it looks once a minute. After
that, the fault is mended, and the chain catches up.

- *What happened*: the decisions of the hour after the fault, and why a run failed.
- *Lost*: due decisions, changed decisions and landed rows that are missing after the fault was mended.
- *Recipient*: who got an alert, at which look after the first sign, and how many seconds that look took. The [kind of
  the alert](../how-to/operate.md#alerts) follows.
- *Drilled at*: the commit of the code. `make drill-all ONLY="disk, model"` drills the faults whose names hold one of
  these texts, and writes only their rows.

Some manipulations of an insider are first seen by the nightly verification. Three faults are simulated: the disk is not
filled, Supervisor is not killed, and the clock of the watch is set in place of the machine's.

{summary}

{table}
"""

Rows = Mapping[str, Sequence[str]]


def make_row(report: FaultReport, commit: str) -> list[str]:
    """Return the cells of a report, in the order of HEADER. A cell is one line, without the separator of cells."""
    alerted = f"{report.recipient}, look {report.look} ({report.seconds:.1f} s): {report.kind}"
    alerted = alerted if report.recipient else NOBODY
    cells = [report.name, report.effect, report.lost or NOTHING, alerted, commit]
    return [" ".join(cell.split()).replace("|", "/") for cell in cells]


def parse_rows(page: str) -> dict[str, list[str]]:
    """Return the rows of the table of a page by the name of the fault."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row for row in rows[2:]}


def is_failed(row: Sequence[str]) -> bool:
    """Return whether a row shows that something was lost, or that nobody was alerted."""
    return row[2] != NOTHING or row[3] == NOBODY


def render_page(rows: Rows, names: Sequence[str]) -> str:
    """Return the page. names: all faults of the drill, in their order; rows of other faults are left out."""
    drilled = [rows[name] for name in names if name in rows]
    failed = sum(map(is_failed, drilled))
    problems = f"{failed} of them lost something or alerted nobody" if failed else "nothing lost, each one reported"
    count = format_plural(len(drilled), "fault")
    waiting = len(names) - len(drilled)
    missing = f" Not drilled yet: {format_plural(waiting, 'fault')}." if waiting else ""
    table = "\n".join(f"| {' | '.join(row)} |" for row in [HEADER, ["---"] * len(HEADER), *drilled])
    return TEXT.format(summary=f"Drilled: {count}, {problems}.{missing}", table=table)
