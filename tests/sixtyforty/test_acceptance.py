"""Acceptance: the very figures an independent script finds, late news included; names nowhere; alarms when due."""

import math
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from sixtyforty.acceptance import account, dataset, facts, holds
from sixtyforty.conditions import LOOKS
from sixtyforty.decisions import decide, decisions_of
from sixtyforty.features import build
from sixtyforty.reconcile import heard
from sixtyforty.response_log import Response
from sixtyforty.responses import put, record
from sixtyforty.use_case import chunks, span
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, accept, make_use_case, make_workspace, publish

FIRST, LAST = date(2013, 4, 1), date(2013, 7, 27)
NEW_YORK = ZoneInfo("America/New_York")
PAYS = {"wait": (0.0, 0.0), "act": (10.0, 3.0)}  # gain of a late visit, cost


@pytest.fixture(scope="module")
def decided(tmp_path_factory) -> Workspace:
    """Four months of decisions by the present process, 96 a day, and what became of them."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), **WITH_RESPONSES)
    days = [FIRST + timedelta(days=i) for i in range((LAST - FIRST).days + 1)]
    decide(ws, publish(ws, days, 96), "replay", None)
    return ws


@pytest.fixture(scope="module")
def log(decided) -> list[Response]:
    """A seeded log of 10,000 responses: what people say to the decisions, in any order, days late at times."""
    chance, found = Random(7), []
    ids = [(d["decision_id"], d["action"], d["decided_at"]) for p in span(FIRST, LAST)
           for d in decisions_of(decided, p, "replay")]  # fmt: skip
    chance.shuffle(ids)
    for decision, action, at in ids:
        who, role = chance.choice([("ann", "decider"), ("bob", "decider"), ("cyd", "decider"), ("eve", "expert")])
        at += timedelta(hours=chance.choice([0, 1, 5, 200]), minutes=chance.randrange(60))
        simulated = chance.random() < 0.3
        said = [Response(decision, who, role, "seen", at=at, simulated=simulated)]
        if chance.random() < 0.8:
            other = {"act": "wait", "wait": "act"}[action]
            answer = ("overridden", other) if chance.random() < 0.2 else ("accepted", action)
            said.append(replace(said[0], event=answer[0], action=answer[1], reason="N0-0NE must read this"))
        if chance.random() < 0.1:
            said.append(replace(said[0], event="rated", rating=chance.randint(1, 5)))
        found += said
        if len(found) >= 10_000:
            break
    return found[:10_000]


@pytest.fixture(scope="module")
def accounted(decided, log) -> Workspace:
    assert put(decided, log) == 10_000
    accept(decided, span(FIRST, LAST))
    for portion in chunks(span(FIRST, LAST), 17):
        account(decided, portion, "replay")
    return decided


def independently(ws: Workspace, log: list[Response]) -> dict[str, object]:
    """The same figures, by loops over what the files say."""
    decisions, outcomes = {}, {}
    for p in span(FIRST, LAST):
        for row in pq.read_table(ws.lake.path(ws.lake.entry("outcomes", p))).to_pylist():
            outcomes[row["id"]] = row["late"]
        for row in pq.read_table(ws.lake.path(ws.lake.entry("decisions/replay", p))).to_pylist():
            decisions[row["decision_id"]] = row
    seen, active, stars = set(), defaultdict(set), []
    accepted = overridden = known = right = 0
    gain = 0.0
    for said in log:
        seen.add(said.decision_id)
        week = said.at.replace(tzinfo=UTC).astimezone(NEW_YORK).date().isocalendar()[:2]
        if said.event == "accepted":
            accepted += 1
        if said.event == "overridden":
            overridden += 1
            late = outcomes[decisions[said.decision_id]["id"]]
            if late is not None:
                known += 1
                done, was = PAYS[said.action], PAYS[decisions[said.decision_id]["action"]]
                more = (done[0] * late - done[1]) - (was[0] * late - was[1])
                gain, right = gain + more, right + (more > 0)
        if said.event in ("accepted", "overridden"):
            active[week].add(said.person)
        if said.event == "rated":
            stars.append(said.rating)
    weeks = sorted(active)
    pairs = [(active[a], active[b]) for a, b in pairwise(weeks)]
    return {
        "decisions": len(decisions), "seen": len(seen), "accepted": accepted, "overridden": overridden,
        "answered": accepted + overridden, "known": known, "right": right, "gain": round(gain, 2),
        "responses": len(log), "simulated": sum(r.simulated for r in log),
        "uptake": round(accepted / len(seen), 4), "override_rate": round(overridden / (accepted + overridden), 4),
        "retention": round(sum(len(a & b) for a, b in pairs) / sum(len(a) for a, _ in pairs), 4),
        "rating": round(sum(stars) / len(stars), 4),
        "roles": {r: [sum(x.role == r and x.event == e for x in log) for e in ("accepted", "overridden")]
                  for r in ("decider", "expert")},
        "active": [len(active[w]) for w in weeks],
    }  # fmt: skip


def test_ten_thousand_responses_give_the_very_figures_of_an_independent_script(accounted, log):
    found = facts(accounted, "replay").plain
    found["active"] = [w["active"] for w in found["weeks"]]
    wanted = independently(accounted, log)
    assert {k: found[k] for k in wanted} == wanted
    assert len(found["weeks"]) > 8
    assert found["gain_per_1000"]["value"] == pytest.approx(1000 * wanted["gain"] / wanted["known"], abs=0.01)
    assert found["gain_per_1000"]["low"] < found["gain_per_1000"]["value"] < found["gain_per_1000"]["high"]


def test_no_name_and_no_reason_gets_in(accounted):
    folder = accounted.lake.root / dataset("replay")
    written = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert written
    for secret in (b"ann", b"bob", b"N0-0NE"):
        assert secret not in written


def test_nothing_is_left_to_account_for_and_again_gives_the_same_bytes(accounted):
    moment = datetime(2014, 1, 1)
    assert heard(accounted, "replay", moment).why == {}
    day = f"{FIRST}"
    before = accounted.lake.entry(dataset("replay"), day)
    account(accounted, [day], "replay")
    assert accounted.lake.entry(dataset("replay"), day) == before


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """A day decided, nobody has looked yet; no source is read."""
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    decide(ws, publish(ws, [FIRST]), "replay", None)
    return ws


def test_a_response_that_comes_late_restates_its_decisions_day(small):
    day, moment = f"{FIRST}", datetime(2014, 1, 1)
    one = decisions_of(small, day, "replay")[0]
    assert heard(small, "replay", moment).why == {}
    other = {"act": "wait", "wait": "act"}[one["action"]]
    record(small, Response(one["decision_id"], "ann", "decider", "overridden", other, "I know better",
                           at=datetime(2013, 4, 29)))  # fmt: skip
    behind = heard(small, "replay", moment)
    assert behind.ranges() == [(day, day)]
    assert behind.sources == {"responses"}
    accept(small, [day])
    assert "responses not accounted for" in heard(small, "replay", moment).why[day]
    account(small, [day], "replay")
    found = facts(small, "replay")
    assert (found.seen, found.overridden, found.known) == (1, 1, 1)
    assert [w.week for w in found.weeks] == ["2013-W17"], (
        "the week of the answer, which was a Sunday evening in New York"
    )
    assert heard(small, "replay", moment).why == {}


def test_responses_are_no_input_of_decisions(small):
    day = f"{FIRST}"
    record(small, Response(decisions_of(small, day, "replay")[0]["decision_id"], "ann", "decider", "seen"))
    accept(small, [day])
    assert "validated/responses" not in small.lake.entry("features", day).inputs
    again = build(small.use_case, small.lake, [day])
    assert again.inputs[day] == small.lake.entry("features", day).inputs


def test_where_nobody_comes_it_is_said(small):
    found = facts(small, "replay")
    assert (found.idle, found.answered, found.uptake, found.retention) == (1, 0, None, None)
    assert math.isnan(found.each.value)
    assert holds(small, found) == ["Nobody has answered a decision yet."]
    lonely = small.use_case.watch.model_copy(update={"no_user_days": 1})
    watched = replace(small, use_case=small.use_case.model_copy(update={"watch": lonely}))
    assert found.alarms(watched) == {"no user": "Nobody looked at the decisions of the newest 1 days."}
    (alert,) = LOOKS["no user"](watched, "replay")
    assert alert.text == found.alarms(watched)["no user"]
    assert LOOKS["no user"](watched, "live") == [], "where nothing was decided nobody is missed"


def test_where_nobody_ever_disagrees_it_is_a_rubber_stamp(accounted):
    found = facts(accounted, "replay")
    assert found.alarms(accounted) == {}
    few = replace(found, accepted=300, overridden=0, seen=300)
    many = replace(few, accepted=400, seen=400)
    assert few.alarms(accounted) == {}, "of 300 it may be chance"
    ((kind, alarm),) = many.alarms(accounted).items()
    assert (kind, alarm[:28]) == ("rubber stamp", "Of 400 answers 0 disagreed, ")
    assert holds(accounted, many) == [alarm]


def test_where_few_follow_it_does_not_hold(accounted):
    found = replace(facts(accounted, "replay"), seen=1000, accepted=300, overridden=500)
    assert holds(accounted, found) == ["Of the decisions seen 30% were followed; 50% are the least."]


def test_the_declaration_is_held_to_its_word(tmp_path):
    with pytest.raises(ValueError, match="'said' is not a source"):
        make_use_case(tmp_path, people={"responses": "said"})
    with pytest.raises(ValueError, match=r"missing: \['action'"):
        make_use_case(tmp_path, people={"responses": "visits"})
    assert "responses" not in make_use_case(tmp_path, **WITH_RESPONSES).inputs
