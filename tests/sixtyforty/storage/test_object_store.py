"""A use case whose lake, models, ledgers and deliveries lie in an object store: the same as in folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import deliver_decisions, find_undelivered
from sixtyforty.lifecycle.catch_up import find_stale_partitions
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.workspace import Workspace
from tests.helpers import crown, land_days, make_workspace, publish_landed, snapshot

FIRST = date(2013, 3, 10)
DAYS = [FIRST + timedelta(days=n) for n in range(14)]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ws = make_workspace(tmp_path_factory.mktemp("landed"))
    land_days(ws, DAYS, 10)
    return ws.landing.folder  # type: ignore[return-value]


def at(home: Path, landed: Path, lakes: ObjectPath | None = None) -> Workspace:
    sources = {name: {"location": str(landed)} for name in ("calls", "visits")}
    return replace(make_workspace(home, sources=sources), lakes=lakes)


def live(ws: Workspace, days: Sequence[date]) -> None:
    """From what has landed to the money."""
    partitions = [str(d) for d in days]
    publish_landed(ws, partitions)
    crown(ws, days[-4])
    take_decisions(ws, partitions[-4:], "replay", None)
    entries = ws.lake.entries("decisions/replay")
    deliver_decisions(ws, entries, "replay")
    assert find_undelivered(ws, "replay", entries) == set()
    kpi_ledger.write_accounts(ws, partitions[-4:], "replay")


def held(ws: Workspace) -> dict[str, dict[str, bytes]]:
    """Every file that doesn't tell of the time it was made at."""
    places = {"lake": ws.lake.root, "models": ws.models.root, "deliveries": ws.deliveries}
    return {
        kind: {
            name: data
            for name, (_, data) in snapshot(where).items()
            if not name.startswith("arrivals/") and "champion" not in name and not name.endswith(".lock")
        }
        for kind, where in places.items()
    }


def test_a_chain_in_an_object_store_makes_the_bytes_it_makes_in_folders(
    tmp_path: Path, landed: Path, bucket: str
) -> None:
    here, there = at(tmp_path / "here", landed), at(tmp_path / "there", landed, ObjectPath(f"s3://{bucket}/lake"))
    live(here, DAYS)
    live(there, DAYS)
    assert held(here) == held(there)
    assert all(held(there).values())
    assert [r.version for r in there.champion_ledger.rows()] == [r.version for r in here.champion_ledger.rows()]
    moment = datetime(2013, 4, 20)
    assert look(there, "replay", moment).why == look(here, "replay", moment).why
    other = at(tmp_path / "another machine", landed, there.lakes)  # type: ignore[arg-type]
    assert look(other, "replay", moment).why == look(here, "replay", moment).why
    assert other.models.load(here.champion_ledger.rows()[-1].version)


def test_what_a_look_asks_of_the_store_does_not_grow_with_the_partitions(
    tmp_path: Path, landed: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    def counted(days: Sequence[date]) -> int:
        ws = at(tmp_path / f"{len(days)}", landed, ObjectPath(f"s3://{bucket}/{len(days)}"))
        live(ws, days)
        look(ws, "replay", datetime(2013, 4, 20))
        asked.clear()
        look(ws, "replay", datetime(2013, 4, 20))
        return asked.total()

    from aiobotocore.client import AioBaseClient

    real = AioBaseClient._make_api_call

    async def call(self: Any, operation: str, given: Any) -> Any:
        asked[operation] += 1
        return await real(self, operation, given)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", call)
    few, many = counted(DAYS[:6]), counted(DAYS)
    assert 0 < few <= many <= few + 2
