"""No log line and no traceback shows the password of a URL, in any format of Dagster's services."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from dagster._utils.log import get_structlog_json_formatter

from sixtyforty.storage.private_logs import print_traceback, use_private_logs

URL = "postgresql://ann:ge'heim@host/x"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a logger writes as text and as JSON."""
    before, written = logging.getLogRecordFactory(), io.StringIO()
    logger = logging.getLogger("private logs")
    logger.handlers = [logging.StreamHandler(written), logging.StreamHandler(written)]
    logger.handlers[1].setFormatter(get_structlog_json_formatter())
    with monkeypatch.context() as patch:
        patch.setattr("sys.excepthook", None)
        use_private_logs()
        yield written
    logging.setLogRecordFactory(before)
    logger.handlers = []


def test_a_message_and_its_arguments_show_no_password(lines: io.StringIO) -> None:
    logging.getLogger("private logs").warning("can't reach %s, 100%% sure", URL)
    as_text, as_json = lines.getvalue().splitlines()
    assert as_text == json.loads(as_json)["event"] == "can't reach postgresql://host/x, 100% sure"
    assert "heim" not in as_json


def test_a_traceback_shows_no_password_and_is_written_in_full(lines: io.StringIO) -> None:
    for url in (URL, "no address"):
        try:
            raise ConnectionError(f"no answer of {url}")
        except ConnectionError:
            logging.getLogger("private logs").exception("100% failed")
    text = lines.getvalue()
    assert "heim" not in text
    assert text.count("\n100% failed") + text.startswith("100% failed") == 2
    assert "\nConnectionError: no answer of postgresql://host/x\n" in text
    assert "ConnectionError: no answer of no address" in text


def test_an_unexpected_error_of_a_command_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    print_traceback(ConnectionError(f"no answer of {URL}"))
    assert capsys.readouterr().err == "ConnectionError: no answer of postgresql://host/x\n"
