"""The watch looks at Dagster and the lake, and alerts once, also when it cannot look."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.authoring import catalog
from pipelines.operations import watch
from pipelines.operations.dagster_watch import Automation
from pipelines.operations.watch import ShownReceipt, describe_receipt, watch_all, watch_use_case
from pipelines.settings import ROOT
from sixtyforty.reports.alerts import Alert, AlertReceipt, ResolvedAlert
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.workspace import Workspace
from tests.webhook_receiver import SECRET, WEBHOOK, deliver, running_receiver

NOW = time.time()
DECLARED = Automation(frozenset({"flight_delays_new_data"}))
USE_CASE = "flight_delays"


def test_a_look_that_fails_is_an_alert_itself_and_hides_no_other(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    workspace.champion_ledger.path.parent.mkdir(parents=True)

    def send(address: str, title: str, text: str) -> str | None:
        return None

    receipts = watch_use_case(workspace, "live", send, DECLARED, NOW)
    assert [receipt.kind for receipt in receipts] == ["automation silent"]
    assert isinstance(receipts[0], AlertReceipt) and receipts[0].subject == "Dagster"
    assert "The watch cannot examine Dagster" in receipts[0].text
    assert watch_use_case(workspace, "live", send, DECLARED, NOW) == []


def test_a_broken_ledger_is_one_alert(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_dagster_alerts", lambda *_: [])
    path = Path(str(workspace.champion_ledger.path))
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    receipts = watch_use_case(workspace, "live", lambda *_: None, DECLARED, NOW)
    assert [receipt.kind for receipt in receipts] == ["ledger differs"]


def test_a_broken_ledger_that_no_alert_names_is_reported(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_broken_ledger(*_: object) -> list[Alert]:
        raise LedgerError("another.jsonl, row 1: the row was changed.")

    monkeypatch.setattr(watch, "_dagster_alerts", lambda *_: [])
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


def test_a_broken_declaration_is_shown_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    loaded = catalog.LoadedWorkspaces(invalid={"tents": "defs.yaml:3: kpi: is missing"})
    monkeypatch.setattr(catalog, "load_workspaces", lambda: loaded)
    monkeypatch.setattr(Automation, "declared", lambda: DECLARED)
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    receipts: list[ShownReceipt] = []
    with pytest.raises(KeyboardInterrupt):
        watch_all("live", 1.0, receipts.append)
    assert [receipt.to_dict() for receipt in receipts] == [
        {
            "use_case": "tents",
            "kind": "broken declaration",
            "text": "defs.yaml:3: kpi: is missing",
            "to": "the console",
            "why": None,
        }
    ]


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
