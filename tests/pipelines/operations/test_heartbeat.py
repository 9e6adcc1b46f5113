"""The watch reports each complete look, so that its own end is noticed."""

from __future__ import annotations

import errno
import http.server
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.operations import heartbeat
from pipelines.operations.heartbeat import report_look, seconds_since_look
from pipelines.settings import Settings
from tests.homes import use_home


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty home."""
    (tmp_path / "data").mkdir()
    return use_home(monkeypatch, tmp_path)


def test_the_time_of_the_last_look_is_known(settings: Settings) -> None:
    assert seconds_since_look(settings, time.time()) is None
    report_look(settings)
    assert 0 <= (seconds_since_look(settings, time.time()) or 0.0) < 60


def test_a_heartbeat_address_is_requested_and_its_failure_is_one_line(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    requests: list[str] = []

    class Monitor(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(302 if self.path == "/moved" else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Monitor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = replace(settings, heartbeat_url=f"http://127.0.0.1:{server.server_port}/secret")
    report_look(settings)
    report_look(replace(settings, heartbeat_url=f"http://127.0.0.1:{server.server_port}/moved"))
    server.shutdown()
    server.server_close()
    for _ in range(2):
        report_look(settings)
    assert requests == ["/secret", "/moved"], "no redirect is followed"
    assert capsys.readouterr().err.splitlines() == [
        "watch: SIXTYFORTY_HEARTBEAT_URL answered with the status 302",
        "watch: SIXTYFORTY_HEARTBEAT_URL did not answer (ConnectionError)",
    ]


def test_a_look_that_cannot_be_recorded_does_not_end_the_watch(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(heartbeat, "write_atomic", fail)
    report_look(settings)
    assert "watch.json can't be written" in capsys.readouterr().err
    assert seconds_since_look(settings, time.time()) is None
