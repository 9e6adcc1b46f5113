"""A workspace keeps everything of a use case apart from others, and in one place that every machine sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace


def paths_of(ws: Workspace) -> list[str]:
    """Every folder and file of a workspace, as text."""
    return [
        str(path)
        for path in (
            ws.lake.root,
            ws.landing.folder,
            ws.models.root,
            ws.deliveries,
            ws.champion_ledger.path,
            ws.rollout_ledger.path,
            ws.stage_ledger.path,
            ws.exactness_ledger.path,
            ws.reports,
            ws.cache,
            ws.alert_receipts,
            ws.digest_receipts,
        )
    ]


def test_everything_is_below_the_home_by_default(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    paths = paths_of(ws)
    assert all(path.startswith(f"{tmp_path / 'data'}/") for path in paths)
    assert len(set(paths)) == len(paths)
    assert ws.lake.cache == ws.cache


def test_two_use_cases_share_no_path(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    other = replace(ws, use_case=ws.use_case.model_copy(update={"name": "other"}))
    assert not set(paths_of(ws)) & set(paths_of(other))


def test_a_lake_in_another_folder_moves_only_the_lake(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    moved = replace(ws, lakes=tmp_path / "lakes")
    assert moved.lake.root == tmp_path / "lakes" / ws.use_case.name
    assert paths_of(moved)[1:] == paths_of(ws)[1:]


def test_a_lake_in_an_object_store_takes_along_what_every_machine_must_see(tmp_path: Path) -> None:
    name = make_workspace(tmp_path).use_case.name
    ws = replace(make_workspace(tmp_path), lakes=ObjectPath("s3://bucket/lake", "postgresql://locks"))
    assert paths_of(ws)[:7] == [
        f"s3://bucket/lake/{name}",
        f"s3://bucket/lake/.landing/{name}",
        f"s3://bucket/lake/.models/{name}",
        f"s3://bucket/lake/.deliveries/{name}",
        f"s3://bucket/lake/.models/{name}/champion.jsonl",
        f"s3://bucket/lake/.models/{name}/rollout.jsonl",
        f"s3://bucket/lake/.models/{name}/stages.jsonl",
    ]
    assert ws.lake.cache == ws.cache
    assert isinstance(ws.champion_ledger.path, ObjectPath)
    assert ws.champion_ledger.path.lock_database_url == "postgresql://locks"


def test_a_workspace_does_not_show_the_password_of_its_database(tmp_path: Path) -> None:
    ws = replace(make_workspace(tmp_path), database_url="postgresql://ada:secret@host/db")
    assert "secret" not in repr(ws)


def test_the_code_version_is_that_of_the_declaration_and_is_cached_below_the_home(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    assert ws.code_version == replace(ws).code_version
    assert (tmp_path / "data" / "cache" / "code_version.json").exists()
    sql = ws.use_case.folder / "features.sql"
    sql.write_text(sql.read_text() + " ")
    assert replace(ws).code_version != ws.code_version
