"""A removal archives or deletes data, keeps ledgers and findings, and can be killed at any step."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.operations import moves, remove
from pipelines.operations.moves import MoveError, Project
from pipelines.operations.remove import list_steps, remove_use_case
from pipelines.settings import prepare_dagster_home
from sixtyforty.decisions.database_tables import existing_tables, table_names
from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.reports.findings import open_findings
from sixtyforty.reports.knowledge import search_knowledge
from sixtyforty.reports.removed_use_cases import Archive, list_removed
from sixtyforty.spec.clock import now
from sixtyforty.storage.unfinished_move import Move, UnfinishedMoveError
from tests.declared_project import declare_use_case
from tests.helpers import read_lake
from tests.pipelines.operations.moved_project import OLD, KilledError, copy_decided_project, files_named, open_workspace

WHY = "the route was closed"


@pytest.fixture
def project(decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of a project whose home has decided four days."""
    return copy_decided_project(decided, tmp_path, monkeypatch)


def search_removed(project: Project, words: str) -> list[tuple[str, str, str]]:
    removed = list_removed(project.settings.home, project.settings.lake)
    return [(hit.use_case, hit.where, hit.text) for hit in search_knowledge(removed, words)]


def test_a_removed_use_case_is_archived_with_all_its_bytes(project: Project) -> None:
    ws = open_workspace(project, OLD)
    lake, deliveries = read_lake(ws.lake), read_deliveries(ws, "replay")
    answer = remove_use_case(OLD, "ann", WHY, project=project)

    assert project.list_names() == []
    assert yaml.safe_load((ws.home / "params.yaml").read_text()) == {"use_cases": {}}
    assert (ws.home / "dvc.lock").read_text() == "stages: {}\n"
    assert existing_tables(ws.database_url, table_names(OLD)) == {}
    assert answer.tables == {
        f"{OLD}_replay_decisions": len(deliveries),
        f"{OLD}_responses": 1,
        f"{OLD}_response_seals": 1,
    }
    outside = [path for path in files_named(project, OLD) if "/archive/" not in path]
    assert outside == []
    (archived,) = list_removed(project.settings.home, project.settings.lake)
    assert read_lake(archived.lake) == lake
    rows = pq.read_table(answer.archive / "tables" / f"{OLD}_replay_decisions.parquet")
    assert rows["decision_id"].to_pylist() == [row.decision_id for row in deliveries]
    assert rows["delivered_at"].to_pylist() == [row.delivered_at for row in deliveries]
    assert (answer.archive / "declaration" / "features.sql").exists()
    assert (answer.archive / "suites" / "calls.yaml").exists()


def test_what_was_learned_stays_in_the_knowledge(project: Project) -> None:
    answer = remove_use_case(OLD, "ann", WHY, project=project)
    assert answer.findings == 1
    ((use_case, where, text),) = search_removed(project, "fog")
    assert (use_case, text) == (OLD, "Fog is reported a day late.")
    assert where.startswith("finding 1 of ") and where.endswith(f"{WHY})")
    ((_, where, text),) = search_removed(project, "list")
    assert where.startswith("user research of 2013-01-05 (removed on ") and text == "They want a list"


def test_deleting_the_data_keeps_ledgers_and_findings(project: Project) -> None:
    ws = open_workspace(project, OLD)
    (ws.reports / "records" / "replay").mkdir(parents=True)
    (ws.reports / "records" / "replay" / "0001-abc.md").write_text("# Record\n## Sources\nStorms are rare.\n")
    (ws.models.root / "v1").mkdir()
    for name in ("card.json", "model.skops"):
        (ws.models.root / "v1" / name).write_text("{}")
    answer = remove_use_case(OLD, "ann", WHY, deletes=True, project=project)
    kept = sorted(
        path.relative_to(answer.archive).as_posix()
        for path in answer.archive.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".yaml", ".sql")
    )
    assert kept == [
        f"data/alerts/{OLD}.jsonl",
        f"data/digests/{OLD}.jsonl",
        f"data/models/{OLD}/findings.head",
        f"data/models/{OLD}/findings.jsonl",
        f"data/models/{OLD}/v1/card.json",
        f"data/reads/{OLD}.json",
        f"data/reports/{OLD}/records/replay/0001-abc.md",
        "removed.json",
    ]
    assert existing_tables(ws.database_url, table_names(OLD)) == {}
    (archived,) = list_removed(project.settings.home, project.settings.lake)
    assert len(open_findings(archived).rows()) == 1
    assert [where.split(" (")[0] for _, where, _ in search_removed(project, "storms")] == [
        "record of replayed decisions, version 1"
    ]


def count_steps(deletes: bool) -> int:
    """Return the number of steps of a removal: a deletion exports no tables."""
    return 19 - deletes


@pytest.mark.parametrize(("deletes", "done"), [(d, n) for d in (False, True) for n in range(count_steps(d) + 1)])
def test_a_removal_that_was_killed_is_noticed_and_finished(
    project: Project, monkeypatch: pytest.MonkeyPatch, deletes: bool, done: int
) -> None:
    def kill() -> None:
        raise KilledError

    def cut(project: Project, move: Move, archive: Archive) -> list[moves.Step]:
        steps = list_steps(project, move, archive)
        assert len(steps) == count_steps(deletes), [name for name, _ in steps]
        return [*steps[:done], ("killed", kill)]

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(remove, "list_steps", cut)
        remove_use_case(OLD, "ann", WHY, deletes, project)
    with pytest.raises(UnfinishedMoveError, match=f"sixtyforty remove {OLD} --why '{WHY}'"):
        prepare_dagster_home()
    with pytest.raises(MoveError, match="Another rename or removal is not finished"):
        remove_use_case(OLD, "ann", WHY, not deletes, project)
    answer = remove_use_case(OLD, "bob", "another", deletes, project)
    prepare_dagster_home()
    assert [path for path in files_named(project, OLD) if "/archive/" not in path] == []
    assert len(search_removed(project, "fog")) == 1
    (archived,) = list_removed(project.settings.home, project.settings.lake)
    assert bool(archived.lake.partitions("decisions/replay")) == (not deletes)
    assert (answer.archive / "tables" / f"{OLD}_responses.parquet").exists() == (not deletes)


def test_a_live_use_case_is_retired_first(project: Project) -> None:
    ws = open_workspace(project, OLD)
    ws.champion_ledger.append(
        track="live",
        version="v",
        verdict="PROMOTE",
        kind="adopted",
        as_of="2013-04-01",
        effective_from="2013-04-01T00:00:00",
        reasons=["for the test"],
    )
    with pytest.raises(MoveError, match=f"{OLD} decides live. Retire it first"):
        remove_use_case(OLD, "ann", WHY, project=project)
    retire_use_case(ws, by="ann", why=WHY, now=now())
    remove_use_case(OLD, "ann", WHY, project=project)
    (archived,) = list_removed(project.settings.home, project.settings.lake)
    assert [row.verdict for row in archived.champion_ledger.rows()] == ["PROMOTE"]


def test_a_removed_name_can_be_declared_again(project: Project) -> None:
    remove_use_case(OLD, "ann", WHY, project=project)
    declare_use_case(project.folder, project.rules, OLD)
    ws = open_workspace(project, OLD)
    assert open_findings(ws).rows() == [] and not ws.lake.root.exists()
    (project.folder / OLD / "defs.yaml").write_text("type: pipelines.component.DecisionPipeline\nattributes: 7\n")
    remove_use_case(OLD, "ann", "a mistake", project=project)  # a declaration with mistakes can be removed, too
    assert project.list_names() == []


def test_an_unknown_use_case_is_not_removed(project: Project) -> None:
    with pytest.raises(MoveError, match="Did you mean calls_in_time"):
        remove_use_case("calls_in_tim", "ann", WHY, project=project)
