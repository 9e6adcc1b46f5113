"""A home with a live holdout of a fortnight, and the value of each unit computed by plain Python."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, make_workspace, merge, publish_days, put_champion_in_force

TRAINING_DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
LIVE_DAYS = [date(2013, 3, 25) + timedelta(days=i) for i in range(14)]
KEYS = [day.isoformat() for day in LIVE_DAYS]
UNITS_A_DAY = 60
VALUE_PER_OUTCOME = -10.0
SHARE = 0.4
RANDOMIZED: dict[str, Any] = {
    "partitions": {"start": "2013-03-01"},
    "model": {"params": {"max_iter": 40}},
    "kpi": {
        "measurement": "randomized",
        "holdout": {"share": SHARE, "value_per_outcome": VALUE_PER_OUTCOME, "planned_units": 800},
    },
}


def make_experiment_home(folder: Path) -> Workspace:
    """Return a home after a fortnight of live decisions, with a part of the calls held out.

    A call acted on is late three times in ten; any other call with a probability equal to its load.
    """
    ws = make_workspace(folder, **RANDOMIZED)
    publish_days(ws, [*TRAINING_DAYS, *LIVE_DAYS], count=UNITS_A_DAY)
    for track in ("replay", "live"):
        put_champion_in_force(ws, LIVE_DAYS[0], track)
    take_decisions(ws, KEYS, "live", None)
    rng = np.random.default_rng(1)
    for partition in KEYS:
        decisions = read_decisions(ws, partition, "live")
        late: dict[int, int | None] = {
            d.unit["id"]: int(rng.random() < (0.3 if d.action == "act" else load_of(d.unit["id"]))) for d in decisions
        }
        set_outcomes(ws, partition, late)
    kpi_ledger.write_accounts(ws, KEYS, "live")
    return ws


def load_of(call: int) -> float:
    """Return the load of a call, as `tests.helpers.calls_of` chooses it."""
    return round(call % 100 * 37 % 100 / 100, 2)


def set_outcomes(ws: Workspace, partition: str, late: dict[int, int | None]) -> None:
    """Replace the outcomes of a partition: by call, whether it was late; None: not known."""
    entry = ws.lake.entry("outcomes", partition)
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry))
    column = pa.array([late[call] for call in rows["id"].to_pylist()], rows.schema.field("late").type)
    rows = rows.set_column(rows.column_names.index("late"), "late", column)
    ws.lake.write("outcomes", partition, rows, inputs=entry.inputs, code="test")


def copy_home(ws: Workspace, folder: Path, **changes: Any) -> Workspace:
    """Return a copy of an experiment's home with a changed declaration, accounted for again."""
    shutil.copytree(ws.home, folder / "home")
    use_case = make_use_case(folder / "home" / "use_case", **merge(RANDOMIZED, changes))
    copy = Workspace(use_case, folder / "home", f"sqlite:///{folder}/deliveries.db")
    kpi_ledger.write_accounts(copy, KEYS, "live")
    return copy


def value_units(ws: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Return the value of each unit with a known outcome, and whether it was held out."""
    values, held_out = [], []
    for partition in KEYS:
        entry = ws.lake.entry("outcomes", partition)
        assert entry is not None
        late = {row["id"]: row["late"] for row in pq.read_table(ws.lake.local_file(entry)).to_pylist()}
        for decision in read_decisions(ws, partition, "live"):
            if late[decision.unit["id"]] is not None:
                cost = 3 if decision.action == "act" else 0
                values.append(VALUE_PER_OUTCOME * late[decision.unit["id"]] - cost)
                held_out.append(decision.decided_by == "holdout")
    return np.array(values, float), np.array(held_out, bool)
