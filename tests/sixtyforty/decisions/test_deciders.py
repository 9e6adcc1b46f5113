"""Every decision is counted for whom it was taken by, and the current process's with their reason."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.decisions.deciders import DeciderCounts, count_deciders
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.storage.damaged_files import DamagedFileError
from sixtyforty.storage.manifest_index import ManifestIndex
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force

TRAINING_DAYS = [date(2013, 3, 20) + timedelta(days=i) for i in range(6)]
SHADOW, FULL = [[date(2013, 3, 26) + timedelta(days=i + n) for i in range(4)] for n in (0, 4)]


@pytest.fixture(scope="module")
def rolled_out(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a home with four live days in shadow, then four days on which the model decides all."""
    ws = make_workspace(
        tmp_path_factory.mktemp("rollout"), automation={"rollout": {"holdout_share": 0.5, "min_days": 3}}
    )
    publish_days(ws, [*TRAINING_DAYS, *SHADOW, *FULL], count=8)
    put_champion_in_force(ws, SHADOW[0], "live")
    start = ws.use_case.day_start(FULL[0]).isoformat()
    ws.rollout_ledger.take_step("full", by="ann", why="for the test", effective_from=start, evidence={})
    keys = [str(day) for day in [*SHADOW, *FULL]]
    take_decisions(ws, keys, "live", None)
    kpi_ledger.write_accounts(ws, keys, "live")
    return ws


def test_the_current_process_is_counted_with_its_reasons(rolled_out: Workspace) -> None:
    counts = count_deciders(rolled_out, "live")
    assert counts == DeciderCounts(32, {"shadow: the model's decision isn't used": 32})
    assert counts.describe() == (
        "The model took 32 of 64 decisions. The current process took 32 (shadow: the model's decision isn't used)."
    )
    assert count_deciders(rolled_out, "live", str(SHADOW[-1])).model == 0
    assert summarize_kpi(rolled_out, "live").to_dict()["deciders"] == counts.to_dict()


def test_decisions_in_shadow_are_not_the_models(rolled_out: Workspace) -> None:
    """A gain per 1,000 over the shadow days too would make the model look half as good, and a vendor better."""
    days = kpi_ledger.read_daily_values(rolled_out, "live")
    assert [day.partition for day in days] == [str(day) for day in FULL]
    assert sum(day.decisions for day in days) == 32
    facts = [entry.facts for entry in rolled_out.lake.entries("kpi/live").values()]
    assert [fact["held_back"] for fact in facts] == [8] * 4 + [0] * 4
    assert kpi_audit.find_differences(rolled_out, "live", [str(day) for day in [*SHADOW, *FULL]]) == []


def test_no_champion_and_unfit_inputs_are_reasons(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    assert count_deciders(ws, "replay").describe() == "No decision has been taken yet."
    publish_days(ws, TRAINING_DAYS[:1])
    take_decisions(ws, [str(TRAINING_DAYS[0])], "replay", None)
    assert count_deciders(ws, "replay") == DeciderCounts(0, {"no model had been promoted yet": 4})


def test_rows_of_a_partition_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that reads the rows of all partitions takes longer with each year of history."""
    ws, keys, read = make_workspace(tmp_path), [str(day) for day in TRAINING_DAYS[:3]], []
    publish_days(ws, TRAINING_DAYS[:3])
    take_decisions(ws, keys[:2], "replay", None)
    local_file = type(ws.lake).local_file
    monkeypatch.setattr(type(ws.lake), "local_file", lambda lake, e: read.append(e.partition) or local_file(lake, e))
    assert count_deciders(ws, "replay").decisions == count_deciders(ws, "replay").decisions == 8
    assert sorted(read) == keys[:2]
    take_decisions(ws, keys[2:], "replay", None)
    read.clear()
    monkeypatch.setattr(ManifestIndex, "_update", lambda _: pytest.fail("the stamps of all manifests were compared"))
    assert count_deciders(ws, "replay").current_process == {"no model had been promoted yet": 12}
    assert read == []


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut off"])
def test_a_damaged_file_is_named_with_the_cure(tmp_path: Path, content: bytes | None) -> None:
    ws, key = make_workspace(tmp_path), str(TRAINING_DAYS[0])
    publish_days(ws, TRAINING_DAYS[:1])
    file = ws.lake.local_file(take_decisions(ws, [key], "replay", None)[key].entry)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        DamagedFileError, match=rf"{key}.*Put it back from a backup, or materialize the partition again"
    ):
        count_deciders(ws, "replay")


def test_rare_reasons_are_added_up() -> None:
    counts = DeciderCounts(0, {f"reason {i}": 10 - i for i in range(7)})
    assert counts.describe().endswith("6 (reason 4), 9 (other reasons).")
