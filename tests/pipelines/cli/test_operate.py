"""Commands that keep the installation running: their answers and exit codes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.demo.drill.drill import DrillReport
from pipelines.demo.drill.live_days import DrillResult
from pipelines.operations.services import StoppedServices
from pipelines.operations.watch import ShownReceipt
from sixtyforty.reports.alerts import AlertReceipt
from tests.pipelines.conftest import RunCli

ALERT = AlertReceipt(key="k", id="k-1", kind="failed run", subject="1", text="run 1 failed.", to="owner:MAIL", why=None)
RECEIPT = ShownReceipt("calls", ALERT)


def test_watch_once_collects_the_receipts(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch_all(track: str, interval: float | None, show: Callable[[ShownReceipt], None]) -> None:
        assert (track, interval) == ("live", None)
        show(RECEIPT)

    monkeypatch.setattr("pipelines.operations.watch.watch_all", watch_all)
    assert run_cli("watch --once --json").answer == {"receipts": [{"use_case": "calls", **vars(ALERT)}]}
    assert run_cli("watch --once").out == "calls: failed run: run 1 failed. (sent to owner:MAIL)\n"


def test_watch_shows_each_receipt_as_it_comes(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch_all(track: str, interval: float | None, show: Callable[[ShownReceipt], None]) -> None:
        assert (track, interval) == ("replay", 5.0)
        show(RECEIPT)
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.operations.watch.watch_all", watch_all)
    finished = run_cli("watch --interval-seconds 5 --track replay")
    assert (finished.code, finished.out.splitlines()[0].startswith("calls: failed run")) == (0, True)


def test_a_drill_that_fails_is_exit_code_1(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = {True: "All checks passed.", False: "CHECKS FAILED: see the lines with NOT."}
    for ok, verdict in reports.items():
        report = DrillReport([DrillResult("features", "3 files, byte-equal to a backfill", ok)])
        monkeypatch.setattr("pipelines.demo.drill.drill.run_drill", lambda folder, show, report=report: report)
        finished = run_cli("drill")
        assert (finished.code, finished.out.splitlines()[-1]) == (0 if ok else 1, verdict)


@pytest.mark.parametrize(
    ("stopped", "text"),
    [
        (StoppedServices(was_running=True, left_over=0), "The services are stopped."),
        (StoppedServices(was_running=False, left_over=2), "The services are stopped."),
        (StoppedServices(was_running=False, left_over=0), "No service was running."),
    ],
)
def test_down_says_what_it_stopped(
    stopped: StoppedServices, text: str, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.operations.services.down", lambda: stopped)
    assert run_cli("down").out == f"{text}\n"


def test_ui_serves_the_pages_until_it_is_stopped(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []
    monkeypatch.setattr("pipelines.operations.services.serve_ui", ports.append)
    assert run_cli("ui --port 3010").out == "Dagster's pages are closed.\n"
    assert ports == [3010]
