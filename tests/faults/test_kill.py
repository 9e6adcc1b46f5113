"""A run that is killed in any stage and run again gives the same bytes as a run that nothing disturbed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from expectations import suites
from pipelines.component import build_chain
from tests.faults.conftest import APRIL, NOW
from tests.faults.worker import (
    KILLED,
    make_use_case_with_suites,
    open_workspace,
    run_chain,
    start_process,
    wait_for_exit,
)
from tests.helpers import without_seen_at
from tests.long_proofs import draw

KILLED_STAGES = 8
FOLDERS = ("lake", "deliveries", "models", "reports")
WITH_WALL_CLOCK = {"champion.head", "champion.jsonl"}  # compared by their rows


def list_stages(home: Path) -> list[str]:
    chain = build_chain(make_use_case_with_suites(home))
    return ["/".join(asset.key.path[1:]) for asset in chain.assets or []]  # type: ignore[union-attr]


def read_files(home: Path) -> dict[str, bytes]:
    """Return the files that the chain wrote, without hidden ones, locks, and the pages of Great Expectations.

    The times at which a scan first saw an extract are removed.
    """
    files = [path for folder in FOLDERS for path in (home / "data" / folder).rglob("*") if path.is_file()]
    contents = {
        str(path.relative_to(home)): path.read_bytes()
        for path in files
        if path.name not in WITH_WALL_CLOCK
        and not path.name.startswith(".")
        and path.suffix != ".lock"
        and "data_docs" not in path.parts
    }
    return without_seen_at(contents)


def read_pointers(home: Path) -> dict[str, str]:
    files = [path for path in (home / "data").rglob("*.dvc") if path.is_file()]
    return {str(path.relative_to(home)): path.read_text() for path in files}


def read_verdicts(home: Path) -> list[dict[str, Any]]:
    wall_clock = {"recorded_at", "hash", "previous_hash"}
    return [row.model_dump(exclude=wall_clock) for row in open_workspace(home).champion_ledger.rows()]


def read_delivery(home: Path) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(open_workspace(home).database_url)
    query = "select decision_id, partition, action, decided_by, champion_version from calls_in_time_replay_decisions"
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(f"{query} order by 1"))]
    finally:
        engine.dispose()


def run_april(home: Path, stage: str = "") -> int:
    return wait_for_exit(start_process(run_chain, home, APRIL[0], APRIL[-1], NOW, stage))


@pytest.fixture(scope="module")
def undisturbed(home_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where the chain ran over April without a fault."""
    home = shutil.copytree(home_before, tmp_path_factory.mktemp("undisturbed") / "home")
    assert run_april(home) == 0
    return home


def assert_same(home: Path, undisturbed: Path) -> None:
    files, expected = read_files(home), read_files(undisturbed)
    assert files.keys() == expected.keys()
    assert [name for name in files if files[name] != expected[name]] == []
    assert read_pointers(home) == read_pointers(undisturbed)
    assert read_verdicts(home) == read_verdicts(undisturbed)
    assert read_delivery(home) == read_delivery(undisturbed)


def test_the_undisturbed_run_has_something_to_lose(undisturbed: Path) -> None:
    assert [verdict["verdict"] for verdict in read_verdicts(undisturbed)] == ["HOLD", "PROMOTE"]
    delivery = read_delivery(undisturbed)
    assert {row[3] for row in delivery} == {"current_process", "model"}
    assert len({row[0] for row in delivery}) == len(delivery) > 60


@pytest.mark.e2e
def test_a_chain_that_was_killed_in_every_stage_ends_with_the_same_bytes(
    undisturbed: Path, copy_home: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stage dies while it writes its second file. If it writes fewer, it dies before Dagster records its end.

    The test suite kills some of the stages, `make prove` kills all.
    """
    home = copy_home("killed")
    monkeypatch.setattr(suites, "HERE", home / "suites")
    exit_codes = {stage: run_april(home, stage) for stage in draw(list_stages(home), KILLED_STAGES)}
    assert set(exit_codes.values()) == {KILLED}
    assert run_april(home) == 0
    assert_same(home, undisturbed)


def test_files_that_a_killed_writer_left_belong_to_no_version(
    undisturbed: Path, copy_home: Callable[[str], Path]
) -> None:
    home = copy_home("left")
    for folder in ("lake/calls_in_time/raw/calls", "models/calls_in_time"):
        (home / "data" / folder / ".writing-1a2b3c").write_bytes(b"half")
    assert run_april(home) == 0
    assert read_pointers(home) == read_pointers(undisturbed)
    assert not re.search("writing", "".join(read_files(home)))


def test_two_runs_at_once_end_with_the_same_bytes_as_one(undisturbed: Path, copy_home: Callable[[str], Path]) -> None:
    """Dagster's own limits would not start both at once."""
    home = copy_home("twice")
    runs = [start_process(run_chain, home, APRIL[0], APRIL[-1], NOW) for _ in range(2)]
    exit_codes = [wait_for_exit(run) for run in runs]
    assert 0 in exit_codes
    if exit_codes != [0, 0]:  # one run may fail because of the other, but it loses nothing
        assert run_april(home) == 0
    assert_same(home, undisturbed)
