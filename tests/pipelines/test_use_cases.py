"""Adding, renaming or retiring a use case never touches another's history."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from sixtyforty.decisions.deciding import decide
from sixtyforty.modeling.lineage import outdated
from sixtyforty.workspace import Workspace
from tests.helpers import crown, lake_bytes, make_use_case, pending, publish, snapshot

DAYS = [date(2013, 4, d) for d in range(1, 9)]


def lived(home: Path, name: str) -> Workspace:
    """A use case with decisions of its own, in a home that others share."""
    case = make_use_case(home / "use_cases" / name, name=name)
    ws = Workspace(case, home, f"sqlite:///{home / 'deliveries.db'}")
    partitions = publish(ws, DAYS)
    crown(ws, DAYS[4])
    decide(ws, partitions[4:], "replay", None)
    return ws


def history(ws: Workspace) -> dict[str, bytes]:
    """All that is kept of a use case."""
    kept = {f"models/{n}": b for n, (_, b) in snapshot(ws.models.root).items()}
    return kept | lake_bytes(ws.lake)


def test_another_use_case_comes_is_renamed_and_goes_and_nothing_of_this_one_changes(tmp_path: Path) -> None:
    mine = lived(tmp_path, "calls_in_time")
    before, code, steady = history(mine), mine.code, mine.ledger.rows()
    assert any("decisions" in name for name in before) and steady

    other = lived(tmp_path, "visits_in_time")  # added
    assert history(mine) == before
    shutil.move(other.use_case.folder, tmp_path / "use_cases" / "rounds_in_time")  # renamed
    lived(tmp_path, "rounds_in_time")
    assert history(mine) == before
    shutil.rmtree(tmp_path / "use_cases" / "rounds_in_time")  # retired
    again = Workspace(make_use_case(mine.use_case.folder), tmp_path, mine.database_url)

    assert history(again) == before
    assert again.code == code and again.ledger.rows() == steady
    partitions = [d.isoformat() for d in DAYS]
    assert not outdated(again.use_case, again.lake, partitions)
    assert not any(pending(again.landing, s) for s in again.use_case.sources)
    decide(again, partitions[4:], "replay", None)
    assert history(again) == before
