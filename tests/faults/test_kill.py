"""The run worker is killed, -9, in every stage: run again, the chain comes to the very bytes of an undisturbed run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from expectations import suites
from pipelines.component import chain
from tests.faults import worker
from tests.faults.conftest import APRIL, NOW

STORED = ("lake", "deliveries", "models", "reports")
BY_THE_CLOCK = {"champion.lock", "cards.lock", "champion.head", "champion.jsonl"}  # compared by what they say


def stages(home: Path) -> list[str]:
    return ["/".join(a.key.path[1:]) for a in chain(worker.use_case_of(home)).assets or []]


def files(home: Path) -> dict[str, bytes]:
    """What the chain made, but for what a killed writer left half written under a hidden name, and pages of GX."""
    found = [p for kind in STORED for p in (home / "data" / kind).rglob("*") if p.is_file()]
    return {
        str(p.relative_to(home)): p.read_bytes()
        for p in found
        if p.name not in BY_THE_CLOCK and not p.name.startswith(".") and "data_docs" not in p.parts
    }


def pointers(home: Path) -> dict[str, str]:
    return {str(p.relative_to(home)): p.read_text() for p in (home / "data").rglob("*.dvc") if p.is_file()}


def judged(home: Path) -> list[dict[str, Any]]:
    clock = {"recorded_at", "hash", "before"}
    return [{k: v for k, v in r.model_dump().items() if k not in clock} for r in worker.workspace(home).ledger.rows()]


def delivered(home: Path) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(worker.workspace(home).database_url)
    try:
        with engine.connect() as connection:
            found = connection.execute(
                sa.text(
                    "select decision_id, partition, action, decided_by, champion_version"
                    " from calls_in_time_replay_decisions order by 1"
                )
            )
            return [tuple(row) for row in found]
    finally:
        engine.dispose()


def run(home: Path, stage: str = "") -> int:
    return worker.ended(worker.start(worker.run, home, APRIL[0], APRIL[-1], NOW, stage))


@pytest.fixture(scope="module")
def undisturbed(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = shutil.copytree(before, tmp_path_factory.mktemp("undisturbed") / "home")
    assert run(home) == 0
    return home


def same(home: Path, undisturbed: Path) -> None:
    ours, theirs = files(home), files(undisturbed)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert pointers(home) == pointers(undisturbed)
    assert judged(home) == judged(undisturbed)
    assert delivered(home) == delivered(undisturbed)


def test_the_undisturbed_run_is_worth_comparing_with(undisturbed):
    """A model decides, and is delivered: else there would be little to lose."""
    assert [r["verdict"] for r in judged(undisturbed)] == ["HOLD", "PROMOTE"]
    assert {row[3] for row in delivered(undisturbed)} == {"current_process", "model"}
    assert len({row[0] for row in delivered(undisturbed)}) == len(delivered(undisturbed)) > 60


@pytest.mark.e2e
def test_killed_in_every_stage_and_run_again_it_is_as_if_nothing_had_been(undisturbed, copied, monkeypatch):
    """While it writes its second file, or, where it writes fewer, when all is done and nothing of it recorded."""
    home = copied("killed")
    monkeypatch.setattr(suites, "HERE", home / "suites")
    died = {stage: run(home, stage) for stage in stages(home)}
    assert set(died.values()) == {-9}, "each of these runs was to die"
    assert run(home) == 0
    same(home, undisturbed)


def test_what_a_killed_writer_left_is_no_part_of_a_version(undisturbed, copied):
    home = copied("left")
    for folder in ("lake/calls_in_time/raw/calls", "models/calls_in_time"):
        (home / "data" / folder / ".writing-1a2b3c").write_bytes(b"half")
    assert run(home) == 0
    assert pointers(home) == pointers(undisturbed)
    assert not re.search("writing", "".join(files(home)))


def test_two_retrains_at_once_are_one(undisturbed, copied):
    """Whole runs, side by side: one more than Dagster's own limits would let through."""
    home = copied("twice")
    both = [worker.start(worker.run, home, APRIL[0], APRIL[-1], NOW) for _ in range(2)]
    codes = [worker.ended(p) for p in both]
    assert 0 in codes
    if codes != [0, 0]:  # one may lose to the other, but then loses nothing: run again, it finds all as it should be
        assert run(home) == 0
    same(home, undisturbed)
