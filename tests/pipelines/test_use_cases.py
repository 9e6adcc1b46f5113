"""Adding, renaming or retiring a use case never changes the history of another one."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from pipelines.authoring import catalog
from pipelines.authoring.purposes import purpose_of
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, pending_extracts, publish_days, put_champion_in_force, read_files, read_lake

DAYS = [date(2013, 4, day) for day in range(1, 9)]


def make_decided_workspace(home: Path, name: str) -> Workspace:
    """Return a use case with decisions of its own, in a home that it shares with others."""
    use_case = make_use_case(home / "use_cases" / name, name=name)
    ws = Workspace(use_case, home, f"sqlite:///{home / 'deliveries.db'}")
    partitions = publish_days(ws, DAYS)
    put_champion_in_force(ws, DAYS[4])
    take_decisions(ws, partitions[4:], "replay", None)
    return ws


def read_history(ws: Workspace) -> dict[str, bytes]:
    """Return the bytes of a use case's models and lake."""
    models = {f"models/{name}": content for name, (_, content) in read_files(ws.models.root).items()}
    return models | read_lake(ws.lake)


def test_another_use_case_is_added_renamed_and_retired_without_a_change_to_this_one(tmp_path: Path) -> None:
    ws = make_decided_workspace(tmp_path, "calls_in_time")
    history, code_version, ledger_rows = read_history(ws), ws.code_version, ws.champion_ledger.rows()
    assert any("decisions" in name for name in history) and ledger_rows

    other = make_decided_workspace(tmp_path, "visits_in_time")  # added
    assert read_history(ws) == history
    shutil.move(other.use_case.folder, tmp_path / "use_cases" / "rounds_in_time")  # renamed
    make_decided_workspace(tmp_path, "rounds_in_time")
    assert read_history(ws) == history
    shutil.rmtree(tmp_path / "use_cases" / "rounds_in_time")  # retired
    reopened = Workspace(make_use_case(ws.use_case.folder), tmp_path, ws.database_url)

    assert read_history(reopened) == history
    assert reopened.code_version == code_version and reopened.champion_ledger.rows() == ledger_rows
    partitions = [day.isoformat() for day in DAYS]
    assert not find_outdated(reopened.use_case, reopened.lake, partitions)
    assert not any(pending_extracts(reopened.landing, source) for source in reopened.use_case.sources)
    take_decisions(reopened, partitions[4:], "replay", None)
    assert read_history(reopened) == history


def test_the_reasons_of_the_demo_are_clauses_that_follow_a_colon() -> None:
    assert "'Raises the risk: '" in purpose_of(("model", "reasons"))
    for name in catalog.list_use_cases():
        reasons = catalog.load_use_case(name).model.reasons
        assert reasons, name
        for feature, text in reasons.items():
            assert text[0].islower() or text.startswith(("{", "$")), f"{name}.{feature}"
            assert not text.endswith("."), f"{name}.{feature}"
