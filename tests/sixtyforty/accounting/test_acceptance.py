"""Acceptance: the same figures as an independent script computes, late responses included, and no names anywhere."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.usage import PartitionUsage, usage_dataset, write_accounts
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import add_responses, record_response
from sixtyforty.lifecycle.stale_partitions import find_stale_responses
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.spec.errors import ConflictingFields
from sixtyforty.spec.partitions import chunks
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, accept_partitions, day_range, make_use_case, make_workspace, publish_days

FIRST, LAST = date(2013, 4, 1), date(2013, 5, 30)
NEW_YORK = ZoneInfo("America/New_York")
PAYOFFS = {"wait": (0.0, 0.0), "act": (10.0, 3.0)}  # gain of a late visit, cost
OTHER_ACTION = {"act": "wait", "wait": "act"}
NOW = datetime(2014, 1, 1)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two months of decisions by the current process, 96 a day, and their outcomes."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), **WITH_RESPONSES)
    days = [FIRST + timedelta(days=i) for i in range((LAST - FIRST).days + 1)]
    take_decisions(ws, publish_days(ws, days, 96), "replay", None)
    return ws


@pytest.fixture(scope="module")
def log(decided: Workspace) -> list[Response]:
    """A seeded log of 10,000 responses in random order, some days late, some to no decision or to another track."""
    chance, responses = Random(7), list[Response]()
    decisions = [d for p in day_range(FIRST, LAST) for d in read_decisions(decided, p, "replay")]
    chance.shuffle(decisions)
    for decision in decisions:
        responses += draw_responses(chance, decision.decision_id, decision.action, decision.decided_at)
        if len(responses) >= 10_000:
            break
    return responses[:10_000]


def draw_responses(chance: Random, decision: str, action: str, at: datetime) -> list[Response]:
    """Draw the responses of one person to one decision."""
    week = (at - datetime(2013, 4, 1)).days // 7
    person = chance.choice([*(f"p{week + i}" for i in range(5)), "eve"])
    at += timedelta(hours=chance.choice([0, 1, 5, 200]), minutes=chance.randrange(60))
    simulated, role = chance.random() < 0.3, "expert" if person == "eve" else "decider"
    seen = Response(decision, person, role, "seen", at=at, simulated=simulated)  # type: ignore[arg-type]
    responses = [seen]
    if chance.random() < 0.8:
        overridden = chance.random() < 0.2
        responses.append(
            replace(
                seen,
                event="overridden" if overridden else "accepted",
                action=OTHER_ACTION[action] if overridden else action,
                reason="N0-0NE must read this",
            )
        )
    if chance.random() < 0.1:
        responses.append(replace(seen, event="rated", rating=chance.randint(1, 5)))
    if chance.random() < 0.02:
        responses.append(replace(seen, decision_id=decision[:-4] + "ffff"))
    if chance.random() < 0.02:
        responses.append(replace(seen, decision_id="live" + decision.removeprefix("replay"), simulated=False))
    return responses


@pytest.fixture(scope="module")
def accounted(decided: Workspace, log: list[Response]) -> Workspace:
    assert add_responses(decided, log) == 10_000
    accept_partitions(decided, day_range(FIRST, LAST))
    for portion in chunks(day_range(FIRST, LAST), 17):
        write_accounts(decided, portion, "replay")
    return decided


def compute_independently(ws: Workspace, log: list[Response]) -> dict[str, Any]:
    """Compute the same figures by loops over the files and the log."""
    decisions, outcomes = {}, {}
    weeks: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for partition in day_range(FIRST, LAST):
        for row in read_rows(ws, "outcomes", partition):
            outcomes[row["id"]] = row["late"]
        for row in read_rows(ws, "decisions/replay", partition):
            decisions[row["decision_id"]] = row
        weeks[date.fromisoformat(partition).strftime("%G-W%V")]["days"] += 1
    recent_days = {f"{LAST - timedelta(days=i)}" for i in range(28)}
    total: dict[str, float] = defaultdict(float)
    recent: dict[str, int] = defaultdict(int)
    roles: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    seen, seen_recently, people, stars = set(), set(), defaultdict(set), []
    for response in log:
        if not response.decision_id.startswith("replay-"):
            continue
        total["responses"] += 1
        total["simulated"] += response.simulated
        decision = decisions.get(response.decision_id)
        if decision is None:
            total["unmatched"] += 1
            continue
        seen.add(response.decision_id)
        is_recent = response.decision_id[7:17] in recent_days
        if is_recent:
            seen_recently.add(response.decision_id)
        assert response.at is not None
        week = response.at.replace(tzinfo=UTC).astimezone(NEW_YORK).strftime("%G-W%V")
        if response.rating:
            stars.append(response.rating)
            weeks[week]["stars"] += response.rating
            weeks[week]["ratings"] += 1
        if response.event not in ("accepted", "overridden"):
            continue
        recent[response.event] += is_recent
        weeks[week][response.event] += 1
        if response.role == "decider":
            people[week].add(response.person)
        outcome = outcomes[decision["id"]]
        for sums in (total, roles[response.role]):
            sums[response.event] += 1
            if response.event == "overridden" and outcome is not None:
                gain = payoff(response.action, outcome) - payoff(decision["action"], outcome)
                sums["known"] += 1
                sums["gain"] += gain
                sums["right"] += gain > 0
    rows, retention = week_rows(weeks, people)
    answered = total["accepted"] + total["overridden"]
    names = ("accepted", "overridden", "known", "right", "gain")
    return {
        "decisions": len(decisions),
        "seen": len(seen),
        "answered": answered,
        **{name: total[name] for name in (*names, "responses", "simulated", "unmatched")},
        "uptake": round(total["accepted"] / len(seen), 4),
        "override_rate": round(total["overridden"] / answered, 4),
        "retention": round(retention, 4),
        "rating": round(sum(stars) / len(stars), 4),
        "weeks": rows,
        "gain_per_1000": round(1000 * total["gain"] / total["known"], 2),
        "roles": {
            role: {name: sums[name] for name in names}
            | {"gain_per_1000": round(1000 * sums["gain"] / sums["known"], 2)}
            for role, sums in roles.items()
        },
        "recent": {"seen": len(seen_recently), "accepted": recent["accepted"], "overridden": recent["overridden"]},
    }


def read_rows(ws: Workspace, dataset: str, partition: str) -> list[dict[str, Any]]:
    entry = ws.lake.entry(dataset, partition)
    assert entry is not None
    rows: list[dict[str, Any]] = pq.read_table(ws.lake.local_file(entry)).to_pylist()
    return rows


def payoff(action: str | None, outcome: int) -> float:
    gain, cost = PAYOFFS[action or ""]
    return gain * outcome - cost


def week_rows(weeks: dict[str, dict[str, int]], people: dict[str, set[str]]) -> tuple[list[dict[str, Any]], float]:
    """Return the figures of each week, and the share of people who answered again in the next week."""
    ordered = sorted(weeks)
    first = next(people[w] for w in ordered if people[w])
    rows, again, active = [], 0, 0
    for week, following in [*pairwise(ordered), (ordered[-1], None)]:
        stayed = len(people[week] & people[following]) if following and people[week] else None
        if stayed is not None:
            again, active = again + stayed, active + len(people[week])
        figures = weeks[week]
        rows.append(
            {
                "week": week,
                "accepted": figures["accepted"],
                "overridden": figures["overridden"],
                "active": len(people[week]),
                "retained": None if stayed is None else round(stayed / len(people[week]), 4),
                "retained_from_first_week": round(len(people[week] & first) / len(first), 4),
                "ratings": figures["ratings"],
                "rating": round(figures["stars"] / figures["ratings"], 4) if figures["ratings"] else None,
            }
        )
    return rows, again / active


def test_ten_thousand_responses_give_the_figures_of_an_independent_script(
    accounted: Workspace, log: list[Response]
) -> None:
    figures, expected = summarize_acceptance(accounted, "replay").to_dict(), compute_independently(accounted, log)
    for counts in (figures, *figures["roles"].values()):
        interval = counts["gain_per_1000"]
        assert interval["low"] < interval["value"] < interval["high"]
        counts["gain_per_1000"] = interval["value"]
    assert {name: figures[name] for name in expected} == expected
    assert len(figures["weeks"]) > 8
    assert figures["unmatched"] and figures["known"] > 500 and len(figures["roles"]) == 2
    assert 0 < figures["retention"] < 1
    shares = [week["retained_from_first_week"] for week in figures["weeks"]]
    assert min(shares) < 0.5 < max(shares)


def test_no_name_and_no_reason_is_written(accounted: Workspace) -> None:
    folder = accounted.lake.root / usage_dataset("replay")
    assert isinstance(folder, Path)
    written = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert written
    for secret in (b"ann", b"bob", b"N0-0NE"):
        assert secret not in written


def test_accounts_are_up_to_date_and_reproducible(accounted: Workspace) -> None:
    assert find_stale_responses(accounted, "replay", NOW).reasons == {}
    before = accounted.lake.entry(usage_dataset("replay"), f"{FIRST}")
    write_accounts(accounted, [f"{FIRST}"], "replay")
    assert accounted.lake.entry(usage_dataset("replay"), f"{FIRST}") == before


def test_without_intervals_the_figures_are_the_same(accounted: Workspace) -> None:
    quick = summarize_acceptance(accounted, "replay", with_intervals=False)
    assert math.isnan(quick.gain_per_1000.value)
    complete = summarize_acceptance(accounted, "replay")
    assert (quick.gain, quick.weeks, quick.recent) == (complete.gain, complete.weeks, complete.recent)


def test_recent_usage_is_that_of_the_newest_days(accounted: Workspace) -> None:
    watch = accounted.use_case.watch.model_copy(update={"usage_days": 3})
    ws = replace(accounted, use_case=accounted.use_case.model_copy(update={"watch": watch}))
    entries = ws.lake.entries(usage_dataset("replay"), day_range(LAST - timedelta(days=2), LAST))
    newest = [PartitionUsage.from_entry(entry) for entry in entries.values()]
    acceptance = summarize_acceptance(ws, "replay")
    assert acceptance.recent.seen == sum(usage.seen for usage in newest)
    assert acceptance.recent.accepted == sum(usage.accepted for usage in newest)
    assert 0 < acceptance.recent.answered < acceptance.recent.seen < acceptance.seen


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """One day of decisions that nobody has looked at yet."""
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    take_decisions(ws, publish_days(ws, [FIRST]), "replay", None)
    return ws


def test_a_late_response_makes_its_decisions_day_stale(small: Workspace) -> None:
    day = f"{FIRST}"
    decision = read_decisions(small, day, "replay")[0]
    write_accounts(small, [day], "replay")
    assert find_stale_responses(small, "replay", NOW).reasons == {}
    action, at = OTHER_ACTION[decision.action], datetime(2013, 4, 29)
    record_response(small, Response(decision.decision_id, "ann", "decider", "overridden", action, "so", at=at))
    stale = find_stale_responses(small, "replay", NOW)
    assert stale.ranges() == [(day, day)]
    assert stale.sources == {"responses"}
    accept_partitions(small, [day])
    assert "the counts of responses are missing or outdated" in find_stale_responses(small, "replay", NOW).reasons[day]
    write_accounts(small, [day], "replay")
    acceptance = summarize_acceptance(small, "replay")
    assert (acceptance.seen, acceptance.overridden, acceptance.known) == (1, 1, 1)
    assert [(w.week, w.overridden) for w in acceptance.weeks] == [("2013-W14", 0), ("2013-W17", 1)], (
        "the week of the answer, which was a Sunday evening in New York"
    )
    assert find_stale_responses(small, "replay", NOW).reasons == {}


def test_responses_are_no_input_of_features(small: Workspace) -> None:
    day = f"{FIRST}"
    record_response(small, Response(read_decisions(small, day, "replay")[0].decision_id, "ann", "decider", "seen"))
    accept_partitions(small, [day])
    entry = small.lake.entry("features", day)
    assert entry is not None
    assert "validated/responses" not in entry.inputs
    assert FeatureWindow(small.use_case, small.lake, [day]).build().inputs[day] == entry.inputs


def test_where_nobody_answers_nothing_is_known(small: Workspace) -> None:
    acceptance = summarize_acceptance(small, "replay")
    assert (acceptance.idle, acceptance.answered, acceptance.uptake, acceptance.retention) == (1, 0, None, None)
    assert math.isnan(acceptance.gain_per_1000.value)
    assert acceptance.override_rate_upper_bound is None


def test_the_source_of_responses_is_checked_when_it_is_declared(tmp_path: Path) -> None:
    with pytest.raises(ConflictingFields, match="there is no source 'nowhere'"):
        make_use_case(tmp_path, people={"responses": "nowhere"})
    with pytest.raises(ConflictingFields, match="action"):
        make_use_case(tmp_path, people={"responses": "visits"})
    assert "responses" not in make_use_case(tmp_path, **WITH_RESPONSES).inputs
