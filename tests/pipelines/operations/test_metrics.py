"""`/healthz` and `/metrics` on this machine: what they say, and that other websites read nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipelines.authoring import catalog
from pipelines.operations import metrics
from pipelines.operations.heartbeat import report_look
from pipelines.settings import prepare_dagster_home
from sixtyforty.workspace import Workspace
from tests.homes import use_home

LOCAL = "http://127.0.0.1"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> TestClient:
    """A client of the pages, for a home with one small use case."""
    use_home(monkeypatch, tmp_path / "home")
    prepare_dagster_home()
    loaded = catalog.LoadedWorkspaces(complete={workspace.use_case.name: workspace})
    monkeypatch.setattr(catalog, "load_workspaces_to_watch", lambda: loaded)
    return TestClient(metrics.build_app(), base_url=LOCAL)


def test_the_figures_of_machine_runs_and_use_case(client: TestClient, workspace: Workspace) -> None:
    folder = workspace.landing.folder
    assert isinstance(folder, Path)
    folder.mkdir(parents=True)
    (folder / "calls_broken.csv").write_text("no,such,columns\n1,2,3\n")
    workspace.landing.scan("calls")
    text = client.get("/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures['sixtyforty_refused_extracts{use_case="calls_in_time"}'] == "1.0"
    assert float(figures['sixtyforty_disk_used_bytes{use_case="calls_in_time"}']) > 0
    assert figures['sixtyforty_runs{state="queued"}'] == "0.0"
    assert figures['sixtyforty_gate_stopped{use_case="calls_in_time"}'] == "0.0"
    assert figures['sixtyforty_readable{use_case="calls_in_time"}'] == "1.0"
    assert 0 < float(figures['sixtyforty_undelivered_seconds{use_case="calls_in_time"}']) < 600
    assert float(figures["sixtyforty_disk_free_bytes"]) > 0


def test_a_lake_that_cannot_be_read_hides_only_its_own_figures(client: TestClient, workspace: Workspace) -> None:
    root = Path(str(workspace.lake.root))
    root.parent.mkdir(parents=True, exist_ok=True)
    root.touch()
    text = client.get("/metrics").text
    assert 'sixtyforty_readable{use_case="calls_in_time"} 0.0' in text
    assert "sixtyforty_fallback_share{" not in text
    assert "sixtyforty_disk_free_bytes" in text


def test_health_is_503_until_daemon_and_watch_are_alive(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    assert "the watch hasn't looked" in answer.json()["problems"]
    monkeypatch.setattr(metrics, "unhealthy_daemons", lambda instance, now: [])
    report_look(metrics.load_settings())
    assert client.get("/healthz").json() == {"ok": True, "problems": []}
    with monkeypatch.context() as patch:
        patch.setattr(metrics, "list_failing_services", lambda settings: ["the service desk doesn't work"])
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()["problems"]) == (503, ["the service desk doesn't work"])
    later = time.time() + 700
    monkeypatch.setattr(metrics.time, "time", lambda: later)
    assert client.get("/healthz").status_code == 503


def test_other_websites_read_nothing(client: TestClient) -> None:
    for path in ("/healthz", "/metrics"):
        assert client.get(path, headers={"Host": "attacker.example"}).status_code == 400
