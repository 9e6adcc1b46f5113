"""The watch looks at Dagster and the lake, and alerts once, also when it cannot look."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.authoring import catalog
from pipelines.operations import machine_watch, watch
from pipelines.operations.dagster_watch import Automation
from pipelines.operations.watch import ShownReceipt, describe_failed_looks, describe_receipt, watch_all, watch_use_case
from pipelines.settings import ROOT
from sixtyforty.reports.alerts import Alert, AlertReceipt, ResolvedAlert
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.object_store import ObjectPath, ObjectStoreError
from sixtyforty.workspace import Workspace
from tests.homes import use_home
from tests.webhook_receiver import SECRET, WEBHOOK, deliver, running_receiver

NOW = time.time()
DECLARED = Automation(frozenset({"flight_delays_new_data"}))
USE_CASE = "flight_delays"


def without_dagster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the watch find nothing in Dagster."""
    monkeypatch.setattr(watch, "_dagster_alerts", lambda *_: [])
    monkeypatch.setattr(watch, "_feed_alerts", lambda *_: [])


def test_a_look_that_fails_is_an_alert_itself_and_hides_no_other(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    workspace.champion_ledger.path.parent.mkdir(parents=True)

    def send(address: str, title: str, text: str) -> str | None:
        return None

    receipts = watch_use_case(workspace, "live", send, DECLARED, NOW)
    assert [receipt.kind for receipt in receipts] == ["automation silent"]
    assert isinstance(receipts[0], AlertReceipt)
    assert "The watch cannot examine Dagster and the feeds" in receipts[0].text
    assert watch_use_case(workspace, "live", send, DECLARED, NOW) == []


def test_a_broken_ledger_is_one_alert(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    without_dagster(monkeypatch)
    path = Path(str(workspace.champion_ledger.path))
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    receipts = watch_use_case(workspace, "live", lambda *_: None, DECLARED, NOW)
    assert [receipt.kind for receipt in receipts] == ["ledger differs"]


def test_a_broken_ledger_that_no_alert_names_is_reported(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_broken_ledger(*_: object) -> list[Alert]:
        raise LedgerError("another.jsonl, row 1: the row was changed.")

    without_dagster(monkeypatch)
    monkeypatch.setitem(watch.RULES, "leakage", read_broken_ledger)
    receipts = watch_use_case(workspace, "live", lambda *_: None, DECLARED, NOW)
    assert [receipt.kind for receipt in receipts] == ["automation silent"]


def test_the_watch_sends_to_the_webhook_and_alerts_while_it_fails(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = Workspace(workspace.use_case.model_copy(update={"webhook": WEBHOOK}), workspace.home, workspace.database_url)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    deliver(ws, 2)

    def webhook_receipts() -> list[str]:
        receipts = watch_use_case(ws, "live", lambda *_: None, DECLARED, NOW)
        return [type(receipt).__name__ for receipt in receipts if receipt.kind == "webhook fails"]

    assert webhook_receipts() == ["AlertReceipt"]  # HOOK_URL isn't set
    with running_receiver(204) as (url, bodies):
        monkeypatch.setenv("HOOK_URL", url)
        assert webhook_receipts() == ["ResolvedAlert"]
    assert len(json.loads(bodies[0])["decisions"]) == 2


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[tuple[str, str, str]]]:
    """Let the watch look twice at the flights of a home. Return use case, kind and text of the alerts of both looks."""
    use_home(monkeypatch, tmp_path)
    monkeypatch.setattr(Automation, "declared", lambda: DECLARED)
    without_dagster(monkeypatch)
    monkeypatch.setattr(catalog, "list_use_cases", lambda: [USE_CASE])

    def look_twice() -> list[tuple[str, str, str]]:
        shown: list[ShownReceipt] = []
        for _ in range(2):
            watch_all("live", None, shown.append, lambda *_: None)
        receipts = [(each.use_case, each.receipt) for each in shown]
        return [(name, each.kind, each.text) for name, each in receipts if isinstance(each, AlertReceipt)]

    return look_twice


def test_a_lake_that_cannot_be_read_is_one_alert_with_the_reason(
    looks: Callable[[], list[tuple[str, str, str]]], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "lake").touch()
    ((name, kind, text),) = [alert for alert in looks() if "the lake" in alert[2]]
    assert (name, kind) == (USE_CASE, "automation silent")
    assert "data/lake" in text and "A file is where a folder should be" in text


def test_an_unreachable_object_store_is_reported_also_when_the_watch_starts(
    looks: Callable[[], list[tuple[str, str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, the watch ended at its start, and again at each restart by Supervisor."""
    monkeypatch.setenv("SIXTYFORTY_LAKE", "s3://bucket/lakes")

    def fail(*_: object) -> None:
        raise ObjectStoreError("s3://bucket/lakes can't be used (no connection).")

    monkeypatch.setattr(ObjectPath, "read_bytes", fail)
    monkeypatch.setattr(watch, "RULES", {})
    monkeypatch.setattr(watch, "_feed_alerts", lambda *_: [])
    ((_, kind, text),) = looks()
    assert kind == "automation silent"
    assert "s3://bucket/lakes can't be used (no connection)" in text


def test_a_full_disk_is_reported_while_dagster_cannot_be_examined(
    looks: Callable[[], list[tuple[str, str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_watch, "ENOUGH_BYTES", 1 << 60)
    monkeypatch.setattr(watch, "_dagster_alerts", lambda *_: 1 / 0)
    assert {kind for _, kind, _ in looks()} == {"disk nearly full", "automation silent"}


def test_an_invalid_declaration_is_reported_once_to_the_roles_that_it_names(
    looks: Callable[[], list[tuple[str, str, str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "declared" / USE_CASE
    folder.mkdir(parents=True)
    monkeypatch.setattr(catalog, "FOLDER", folder.parent)
    (folder / "defs.yaml").write_text("attributes:\n  timezone: 7\n  alerts: {owner: [OWNER_MAIL]}\n")
    monkeypatch.setenv("OWNER_MAIL", "json://localhost")
    ((name, kind, text),) = looks()
    assert (name, kind) == (USE_CASE, "invalid declaration")
    assert "No run can start" in text and "defs.yaml:" in text
    assert "owner:OWNER_MAIL" in (tmp_path / "data" / "alerts" / f"{USE_CASE}.jsonl").read_text()
    (folder / "defs.yaml").write_text("alerts: [")
    assert looks() != []  # no role can be read, so the console hears of it


def test_a_cause_that_another_alert_names_is_no_second_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, a damaged file was two alerts: of the run that failed, and of the watch that couldn't read it."""
    without_dagster(monkeypatch)
    named = Alert("failed run", "calls", "run 1 failed. The bucket can't be reached.")
    monkeypatch.setattr(watch, "_dagster_alerts", lambda *_: [named])

    def fail(*_: object) -> list[Alert]:
        raise ObjectStoreError("The bucket can't be reached.")

    monkeypatch.setitem(watch.RULES, "leakage", fail)
    receipts = watch_use_case(workspace, "live", lambda *_: None, DECLARED, NOW)
    assert [receipt.kind for receipt in receipts] == ["failed run"]


def test_failed_looks_of_one_kind_are_one_alert() -> None:
    error = ObjectStoreError("The bucket can't be reached.")
    one, other = describe_failed_looks([("the lake", error), ("the lake", error), ("Dagster", ValueError("secret"))])
    assert one.text == "The watch cannot examine the lake: The bucket can't be reached. Run: sixtyforty doctor."
    assert other.text == "The watch cannot examine Dagster: ValueError. Run: sixtyforty doctor."
    assert describe_failed_looks([("the lake", ObjectStoreError("No bucket"))])[0].text.count("No bucket. Run:") == 1
    damaged = sa.exc.DatabaseError("select 'Mrs Miller'", None, ValueError("file is not a database"))
    (alert,) = describe_failed_looks([("Dagster", damaged)])
    assert alert.text == "The watch cannot examine Dagster: file is not a database. Run: sixtyforty doctor."


def test_receipts_as_lines() -> None:
    sent = AlertReceipt(
        key="k", id="k-1", kind="decay", subject="live", text="The gain fell.", to="owner:MAIL", why=None
    )
    assert describe_receipt(ShownReceipt("calls", sent)) == "calls: decay: The gain fell. (sent to owner:MAIL)"
    unsent = ShownReceipt("calls", replace(sent, why="$MAIL is not set"))
    assert describe_receipt(unsent) == "calls: decay: The gain fell. (not sent to owner:MAIL: $MAIL is not set)"
    resolved = ShownReceipt("calls", ResolvedAlert(key="k", kind="decay"))
    assert describe_receipt(resolved) == "calls: decay: resolved"
    assert list(resolved.to_dict()) == ["use_case", "at", "key", "kind", "resolved"]
    fields = ["use_case", "at", "key", "id", "kind", "subject", "text", "to", "why"]
    assert list(unsent.to_dict()) == fields


@pytest.mark.e2e
def test_a_dead_daemon_is_reported_once_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "pipelines.cli", "watch", "--once", "--json"]
    looks = []
    for _ in range(2):
        process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path)
        looks.append(json.loads(process.stdout)["receipts"])
    subjects = [(receipt["use_case"], receipt["subject"]) for receipt in looks[0]]
    assert subjects == [(name, "daemon") for name in catalog.list_use_cases()]
    assert looks[1] == []
    stored = (tmp_path / "data" / "alerts" / f"{USE_CASE}.jsonl").read_text()
    assert "no heartbeat" in stored
