"""Commands that change what decides, or who may, are in the security log with the person and the user who ran them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.cli.security_events import record_event
from pipelines.settings import load_settings
from sixtyforty.storage.security_log import EVENT_KINDS, LoggedEvent, open_security_log
from tests.pipelines.conftest import RunCli


def read_events() -> list[LoggedEvent]:
    """Return the events of the log, newest first."""
    with open_security_log(load_settings().database_url) as log:
        log.verify()
        return log.read(10)


def test_the_user_of_the_command_is_named_next_to_the_person(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.cli.security_events.current_user", lambda: "root")
    record_event("adoption", "ann", "calls", "v1: it paid")
    record_event("roll-back", use_case="calls", detail="v0: complaints")
    assert [(e.kind, e.person, e.address, e.use_case, e.detail) for e in read_events()] == [
        ("roll-back", "root", "command line", "calls", "v0: complaints"),
        ("adoption", "ann", "command line", "calls", "run by the user root; v1: it paid"),
    ]


CHANGES = {
    "adopt flight_delays": ("champions.adopt_champion", "adoption"),
    "approve flight_delays v1": ("champions.approve_challenger", "approval"),
    "rollback flight_delays --to v1": ("champions.roll_back_champion", "roll-back"),
}


@pytest.mark.parametrize("line", CHANGES)
def test_each_change_of_the_champion_is_recorded(
    line: str, run_cli: RunCli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, kind = CHANGES[line]

    def change(_: object, by: str, why: str, **__: Any) -> SimpleNamespace:
        fields = {"version": "v1", "verdict": "X", "effective_from": "now", "by": by, "reasons": [why]}
        return SimpleNamespace(**fields, model_dump=lambda: fields)

    monkeypatch.setattr(f"sixtyforty.lifecycle.{function}", change)
    assert run_cli(f"{line} --by ann --why 'it paid'").code == 0
    assert kind in EVENT_KINDS
    event = read_events()[0]
    assert (event.kind, event.person, event.use_case) == (kind, "ann", "flight_delays")
    assert event.detail.endswith("v1: it paid")


def test_a_replaced_key_is_recorded(run_cli: RunCli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sixtyforty.decisions.responses.rotate_seal_key", lambda _: 3)
    finished = run_cli("rotate-seals flight_delays --by ann")
    assert finished.code == 0
    assert finished.out == "The key of the seals of flight_delays is replaced: 3 responses sealed again.\n"
    event = read_events()[0]
    assert (event.kind, event.person, event.use_case) == ("key replaced", "ann", "flight_delays")
    assert event.detail.endswith("seals of 3 responses")
