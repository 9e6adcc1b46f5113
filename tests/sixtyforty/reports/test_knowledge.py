"""The knowledge base: searched across use cases, with what failed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.lifecycle.stage_steps import record_verdict
from sixtyforty.reports.findings import add_finding
from sixtyforty.reports.knowledge import failed_attempts, search_knowledge
from sixtyforty.reports.model_record import SearchError
from tests.accounted_home import append_verdict, make_accounted_home, make_daily_value, write_accounts
from tests.helpers import day_range, make_workspace

RESEARCH = {"day": "2013-01-05", "participants": "two dispatchers", "finding": "They want a reason for each line"}
GATE = {"target": 500, "minimum_gain": 100, "stop_date": "2013-07-01"}


def test_a_word_is_found_in_every_use_case_that_holds_it(tmp_path: Path) -> None:
    first = make_workspace(tmp_path, name="first", people={"research": [RESEARCH], "illustrative": True})
    second = make_workspace(tmp_path, name="second")
    add_finding(first, "ann", "Reasons build trust.", "What builds trust")
    add_finding(second, "bo", "No reason was ever read.")
    hits = search_knowledge([first, second], "REASON")
    assert [(h.use_case, h.where.split(" of ")[0], h.title) for h in hits] == [
        ("first", "finding 1", "What builds trust"),
        ("first", "user research", "two dispatchers"),
        ("second", "finding 1", "No reason was ever read."),
    ]
    assert "illustrative for the demonstration" in hits[1].where
    assert search_knowledge([first, second], "reason zebra") == []
    with pytest.raises(SearchError, match="Give at least one word"):
        search_knowledge([first], " ")


def test_failed_attempts_list_models_and_stages_with_their_reasons(tmp_path: Path) -> None:
    ws = make_accounted_home(tmp_path / "a")
    without_effect = make_workspace(tmp_path / "b", name="without_effect", stages={"poc": GATE})
    last = date(2013, 4, 1) + timedelta(days=99)
    partitions = day_range(date(2013, 4, 1), last)
    write_accounts(without_effect, [make_daily_value(p, float(i % 3 - 1)) for i, p in enumerate(partitions)])
    record_verdict(without_effect, datetime(2014, 1, 1))
    attempts = failed_attempts([ws, without_effect])
    assert [a.title.removeprefix("2013-06-15-0000ho ").removeprefix("2013-03-01-0000re ") for a in attempts] == [
        "was held back, because its gain is not larger by enough",
        "was rejected",
        "The stage gate stopped the proof of concept",
    ]
    assert attempts[1].text == "it lost money on past days"
    assert "the stage missed its deadline, 1 July 2013" in attempts[2].text
    assert failed_attempts([make_workspace(tmp_path / "c")]) == []
    append_verdict(without_effect, "2013-04-01")  # a promotion is no failure
    assert len(failed_attempts([without_effect])) == 1
