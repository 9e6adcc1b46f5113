"""A declaration is checked when it is loaded, and its days are those of its own clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sixtyforty.use_case import UseCase, chunks, span, widen
from tests.helpers import SITES, make_use_case

REVIEW = {"reviewers": {"lead": 3}, "minutes": 5, "abstain": 1}
VETO = {"when": "load > 1", "never": "act", "why": "it can't be"}
HOLDOUT = {"share": 0.1, "worth": -10}
RANDOMIZED = {"label": "randomized", "holdout": HOLDOUT}
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
NEAR = st.dates(date(2012, 1, 1), date(2012, 12, 31))


def test_what_is_declared_is_loaded(tiny_use_case: UseCase) -> None:
    assert tiny_use_case.name == "calls_in_time"
    assert tiny_use_case.kpi.actions["act"].gain == 10
    assert tiny_use_case.sql("outcomes").startswith("select u.id")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"colour": "blue"}, "colour"),
        ({"kpi": {"colour": "blue"}}, "kpi.colour"),
        ({"sources": {"calls": {"colour": "blue"}}}, "sources.calls.colour"),
        ({"kpi": {"actions": {"act": {"price": 3}}}}, "kpi.actions.act.price"),
    ],
)
def test_a_field_that_does_not_exist_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_use_case(tmp_path, **changes)
    assert [".".join(map(str, e["loc"])) for e in refused.value.errors()] == [where]
    assert refused.value.errors()[0]["type"] == "extra_forbidden"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decision": {"key": ["id", "nummer"]}}, r"decision\.key names columns the source doesn't have: \['nummer'\]"),
        ({"sources": {"visits": {"key": ["nummer"]}}}, r"sources\.visits\.key .*\['nummer'\]"),
        ({"sources": {"calls": {"personal": ["phone"]}}}, r"sources\.calls\.personal .*\['phone'\]"),
        ({"decision": {"unit": "orders"}}, r"'orders' is not a source: \['calls', 'visits'\]"),
        ({"decision": {"unit": "sites", "key": ["site"]}, "sources": {"sites": SITES}}, r"'sites' is a snapshot"),
        ({"people": {"review": REVIEW | {"rule": "gut"}}}, r"people\.review\.rule 'gut' is not a candidate: \[\]"),
        ({"people": {"review": REVIEW | {"abstain": 0}}}, r"review needs a rule"),
        ({"kpi": {"candidates": {"gut": {"description": "Gut."}}}}, r"either action \(SQL of an action's name\) or"),
        ({"model": {"vetoes": {"v": VETO | {"never": "run"}}}}, r"model\.vetoes\.v: 'run' is not an action"),
        ({"model": {"vetoes": {"v": VETO, "w": VETO | {"never": "wait"}}}}, r"model\.vetoes name every action"),
        ({"model": {"monotone": {"site": 1}}}, r"monotone: \['site'\] are categories"),
        ({"model": {"words": {"load": "busy"}}}, r"words\.load needs \{value\}"),
        ({"model": {"words": {"load": "{value} of {all}"}}}, r"words\.load needs \{value\}"),
        ({"sources": {"calls": {"known_at": None}}}, r"sources\.calls is partitioned and needs known_at"),
        ({"kpi": {"label": "randomized"}}, r"needs kpi\.holdout: nothing can be claimed without one"),
        ({"kpi": {"holdout": HOLDOUT}}, r"label exact has none"),
        ({"kpi": RANDOMIZED | {"segments": ["site"]}}, r"segments belong to label exact"),
        ({"kpi": RANDOMIZED | {"holdout": HOLDOUT | {"by": ["nummer"]}}}, r"kpi\.holdout\.by .*\['nummer'\]"),
        ({"automation": {"rollout": {"holdout": 0.5, "by": ["nummer"]}}}, r"automation\.rollout\.by .*\['nummer'\]"),
        ({"kpi": RANDOMIZED, "automation": {"rollout": {"holdout": 0.5, "by": ["site"]}}}, r"leave it out"),
        ({"kpi": RANDOMIZED, "automation": {"rollout": {"holdout": 0.05}}}, r"less than kpi\.holdout\.share"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        make_use_case(tmp_path, **changes)


@pytest.mark.parametrize("timezone", ["America/Neu_York", "../secret", ""])
def test_a_timezone_that_does_not_exist_is_refused_like_any_other_value(tmp_path: Path, timezone: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        make_use_case(tmp_path, timezone=timezone)


@pytest.mark.parametrize("name", ["Calls", "1calls", "calls-in-time", "calls/in", ""])
def test_a_name_that_could_not_be_a_folder_or_an_asset_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        make_use_case(tmp_path, name=name)


def test_one_action_is_no_choice(tmp_path: Path, tiny_use_case: UseCase) -> None:
    declared = tiny_use_case.model_dump()
    declared["kpi"]["actions"] = {"act": {"description": "always"}}
    with pytest.raises(ValidationError, match="actions"):
        UseCase(**declared, folder=tmp_path)


def test_a_loaded_use_case_does_not_change(tiny_use_case: UseCase) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny_use_case.title = "Another"


def test_sources_are_partitioned_or_snapshots(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, sources={"sites": SITES})
    assert list(use_case.partitioned) == ["calls", "visits"]
    assert list(use_case.snapshots) == ["sites"]


@pytest.mark.parametrize(
    ("day", "starts", "closes"),
    [
        ("2013-03-09", datetime(2013, 3, 9, 5), datetime(2013, 3, 10, 5)),
        ("2013-03-10", datetime(2013, 3, 10, 5), datetime(2013, 3, 11, 4)),  # 23 hours
        ("2013-07-01", datetime(2013, 7, 1, 4), datetime(2013, 7, 2, 4)),
        ("2013-11-03", datetime(2013, 11, 3, 4), datetime(2013, 11, 4, 5)),  # 25 hours
    ],
)
def test_days_of_a_clock_change_are_shorter_and_longer(
    tiny_use_case: UseCase, day: str, starts: datetime, closes: datetime
) -> None:
    assert tiny_use_case.starts(date.fromisoformat(day)) == starts
    assert tiny_use_case.closes(day) == closes


@pytest.mark.parametrize("timezone", ["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Auckland", "UTC"])
def test_a_day_closes_when_the_next_one_starts(tmp_path: Path, timezone: str) -> None:
    use_case = make_use_case(tmp_path, timezone=timezone)
    for day in (date(2013, 1, 1) + timedelta(days=i) for i in range(365)):
        start, close = use_case.starts(day), use_case.closes(day.isoformat())
        assert close == use_case.starts(day + timedelta(days=1))
        assert timedelta(hours=23) <= close - start <= timedelta(hours=25)
        assert start.replace(tzinfo=UTC).astimezone(use_case.zone).date() == day


@given(DAYS, st.integers(0, 400))
def test_a_span_is_every_day_once_in_order(first: date, days: int) -> None:
    keys = span(first, first + timedelta(days=days))
    assert len(keys) == days + 1
    assert keys == sorted(set(keys))
    assert (keys[0], keys[-1]) == (first.isoformat(), (first + timedelta(days=days)).isoformat())


def test_a_span_that_ends_before_it_begins_is_empty() -> None:
    assert span(date(2013, 3, 2), date(2013, 3, 1)) == []


@given(st.sets(NEAR, min_size=1, max_size=5), st.integers(0, 60), st.integers(0, 60))
def test_a_widened_window_reaches_as_far_as_asked_and_has_no_holes(days: set[date], before: int, after: int) -> None:
    first, last = min(days) - timedelta(days=before), max(days) + timedelta(days=after)
    assert widen([d.isoformat() for d in days], before, after) == span(first, last)


@given(st.sets(DAYS, max_size=40), st.integers(1, 50))
def test_chunks_are_all_partitions_once_in_order_and_none_is_too_long(days: set[date], size: int) -> None:
    keys = [d.isoformat() for d in days]
    cut = chunks(keys, size)
    assert [k for chunk in cut for k in chunk] == sorted(keys)
    assert all(1 <= len(chunk) <= size for chunk in cut)
    assert len(cut) == -(-len(keys) // size)
