"""`sixtyforty doctor`: what is there, what is missing, and the cure."""

from __future__ import annotations

import json
import re

import pytest

from pipelines.authoring import catalog
from pipelines.operations.doctor import _settings
from tests.helpers import make_use_case


def test_doctor_on_an_empty_home_tells_what_is_there_and_the_cure(say, home, monkeypatch):
    monkeypatch.setattr("pipelines.operations.doctor.ENOUGH", 0)
    code, out, _ = say("doctor --json")
    answer = json.loads(out)
    things = {t["thing"]: t for t in answer["things"]}
    assert {
        "storage",
        "disk",
        "database",
        "dvc_remote",
        "daemon",
        "landing zone of flight_delays",
        "champion ledger of flight_delays",
        "rollout ledger of flight_delays",
        "findings of flight_delays",
    } <= set(things)
    assert (code, answer["ok"]) == (0, True)  # what it can't run without is there
    for thing in things.values():
        assert thing["ok"] == (thing["cure"] is None)
        assert thing["ok"] or not thing["needed"]
    assert not things["landing zone of flight_delays"]["ok"]
    assert "sixtyforty land flight_delays" in things["landing zone of flight_delays"]["cure"]
    assert not things["daemon"]["ok"]
    assert things["daemon"]["cure"] == "start it: make ui"


def test_doctor_names_the_variables_that_are_not_set(tmp_path, monkeypatch):
    declared = make_use_case(tmp_path, alerts={"owner": ["OWNER_MAIL", "OWNER_CHAT"]})
    monkeypatch.setattr(catalog, "load", lambda _: declared)
    monkeypatch.setenv("OWNER_MAIL", "mailto://u:geheim@host")
    with pytest.raises(LookupError, match=r"not set: OWNER_CHAT$"):
        _settings("calls_in_time")
    monkeypatch.setenv("OWNER_CHAT", "x")
    assert _settings("calls_in_time") == "2 variables it names are set; alerts go to owner"
    subscribed = [{"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL", "NOBODY"]}]
    monkeypatch.setattr(catalog, "load", lambda _: make_use_case(tmp_path, subscriptions=subscribed))
    assert _settings("calls_in_time").endswith("; no digests yet for owner ($NOBODY is not set)")


def test_doctor_fails_where_something_needed_is_missing(say, home, monkeypatch):
    monkeypatch.setattr("pipelines.operations.doctor.ENOUGH", 10**18)
    code, out, _ = say("doctor")
    assert code == 1
    assert re.search(r"^NOT  disk: .* GB free$", out, re.M)
    assert "cure: free at least 2 GB" in out
    monkeypatch.setattr("pipelines.operations.doctor.ENOUGH", 0)
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "sqlite:////nowhere/at/all.sqlite")
    code, out, _ = say("doctor --json")
    database = next(t for t in json.loads(out)["things"] if t["thing"] == "database")
    assert (code, database["ok"]) == (1, False)
    assert "SIXTYFORTY_DATABASE_URL" in database["cure"]


def test_doctor_hides_the_password(say, home, monkeypatch):
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "postgresql+psycopg2://me:open-sesame@127.0.0.1:1/db")
    code, out, err = say("doctor")
    assert code == 1
    assert "open-sesame" not in out + err
