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

from sixtyforty.accounting.acceptance import Use, facts, holds, told
from sixtyforty.accounting.usage import account, dataset
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import add_responses, record_response
from sixtyforty.lifecycle.catch_up import find_stale_responses
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.reports.alert_rules import LOOKS
from sixtyforty.spec.partitions import chunks
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, accept, make_use_case, make_workspace, publish, span

FIRST, LAST = date(2013, 4, 1), date(2013, 5, 30)
NEW_YORK = ZoneInfo("America/New_York")
PAYS = {"wait": (0.0, 0.0), "act": (10.0, 3.0)}  # gain of a late visit, cost


@pytest.fixture(scope="module")
def decided(tmp_path_factory) -> Workspace:
    """Two months of decisions by the current process, 96 a day, and what became of them."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), **WITH_RESPONSES)
    days = [FIRST + timedelta(days=i) for i in range((LAST - FIRST).days + 1)]
    take_decisions(ws, publish(ws, days, 96), "replay", None)
    return ws


@pytest.fixture(scope="module")
def log(decided) -> list[Response]:
    """A seeded log of 10,000 responses: what people say to the decisions, in any order, days late at times.

    Some are to no decision, some to a decision of another track.
    """
    chance, found = Random(7), []
    ids = [
        (d["decision_id"], d["action"], d["decided_at"])
        for p in span(FIRST, LAST)
        for d in read_decisions(decided, p, "replay")
    ]
    chance.shuffle(ids)
    for decision, action, at in ids:
        who = chance.choice([*(f"p{(at - datetime(2013, 4, 1)).days // 7 + i}" for i in range(5)), "eve"])
        at += timedelta(hours=chance.choice([0, 1, 5, 200]), minutes=chance.randrange(60))
        simulated, role = chance.random() < 0.3, "expert" if who == "eve" else "decider"
        said = [Response(decision, who, role, "seen", at=at, simulated=simulated)]
        if chance.random() < 0.8:
            other = {"act": "wait", "wait": "act"}[action]
            answer = ("overridden", other) if chance.random() < 0.2 else ("accepted", action)
            said.append(replace(said[0], event=answer[0], action=answer[1], reason="N0-0NE must read this"))
        if chance.random() < 0.1:
            said.append(replace(said[0], event="rated", rating=chance.randint(1, 5)))
        if chance.random() < 0.02:
            said.append(replace(said[0], decision_id=decision[:-4] + "ffff"))
        if chance.random() < 0.02:
            live = "live" + decision.removeprefix("replay")
            said.append(replace(said[0], decision_id=live, simulated=False))
        found += said
        if len(found) >= 10_000:
            break
    return found[:10_000]


@pytest.fixture(scope="module")
def accounted(decided, log) -> Workspace:
    assert add_responses(decided, log) == 10_000
    accept(decided, span(FIRST, LAST))
    for portion in chunks(span(FIRST, LAST), 17):
        account(decided, portion, "replay")
    return decided


def independently(ws: Workspace, log: list[Response]) -> dict[str, object]:
    """The same figures, by loops over what the files say."""
    decisions, outcomes, weeks = {}, {}, defaultdict(lambda: defaultdict(int))
    for p in span(FIRST, LAST):
        for row in pq.read_table(ws.lake.local_file(ws.lake.entry("outcomes", p))).to_pylist():
            outcomes[row["id"]] = row["late"]
        for row in pq.read_table(ws.lake.local_file(ws.lake.entry("decisions/replay", p))).to_pylist():
            decisions[row["decision_id"]] = row
        weeks[date.fromisoformat(p).strftime("%G-W%V")]["days"] += 1
    late = {f"{LAST - timedelta(days=i)}" for i in range(28)}
    total, recent, roles = defaultdict(float), defaultdict(int), defaultdict(lambda: defaultdict(float))
    seen, seen_lately, people, stars = set(), set(), defaultdict(set), []
    for said in log:
        if not said.decision_id.startswith("replay-"):
            continue
        total["responses"] += 1
        total["simulated"] += said.simulated
        decision = decisions.get(said.decision_id)
        if decision is None:
            total["unmatched"] += 1
            continue
        seen.add(said.decision_id)
        lately = said.decision_id[7:17] in late
        if lately:
            seen_lately.add(said.decision_id)
        week = said.at.replace(tzinfo=UTC).astimezone(NEW_YORK).strftime("%G-W%V")
        if said.event == "rated":
            stars.append(said.rating)
            weeks[week]["stars"] += said.rating
            weeks[week]["ratings"] += 1
        if said.event not in ("accepted", "overridden"):
            continue
        recent[said.event] += lately
        weeks[week][said.event] += 1
        if said.role == "decider":
            people[week].add(said.person)
        outcome = outcomes[decision["id"]]
        for sums in (total, roles[said.role]):
            sums[said.event] += 1
            if said.event == "overridden" and outcome is not None:
                done, was = PAYS[said.action], PAYS[decision["action"]]
                more = (done[0] * outcome - done[1]) - (was[0] * outcome - was[1])
                sums["known"] += 1
                sums["gain"] += more
                sums["right"] += more > 0
    names, ordered = ("accepted", "overridden", "known", "right", "gain"), sorted(weeks)
    first = next(people[w] for w in ordered if people[w])
    rows, stayed, could = [], 0, 0
    for w, after in [*pairwise(ordered), (ordered[-1], None)]:
        again = len(people[w] & people[after]) if after and people[w] else None
        if again is not None:
            stayed, could = stayed + again, could + len(people[w])
        rows.append(
            {
                "week": w,
                "accepted": weeks[w]["accepted"],
                "overridden": weeks[w]["overridden"],
                "active": len(people[w]),
                "retained": None if again is None else round(again / len(people[w]), 4),
                "kept": round(len(people[w] & first) / len(first), 4),
                "ratings": weeks[w]["ratings"],
                "rating": round(weeks[w]["stars"] / weeks[w]["ratings"], 4) if weeks[w]["ratings"] else None,
            }
        )
    answered = total["accepted"] + total["overridden"]
    return {
        "decisions": len(decisions),
        "seen": len(seen),
        "answered": answered,
        **{n: total[n] for n in names},
        **{n: total[n] for n in ("responses", "simulated", "unmatched")},
        "uptake": round(total["accepted"] / len(seen), 4),
        "override_rate": round(total["overridden"] / answered, 4),
        "retention": round(stayed / could, 4),
        "rating": round(sum(stars) / len(stars), 4),
        "weeks": rows,
        "gain_per_1000": round(1000 * total["gain"] / total["known"], 2),
        "roles": {
            r: {n: sums[n] for n in names} | {"gain_per_1000": round(1000 * sums["gain"] / sums["known"], 2)}
            for r, sums in roles.items()
        },
        "recent": {"seen": len(seen_lately), "accepted": recent["accepted"], "overridden": recent["overridden"]},
    }


def test_ten_thousand_responses_give_the_very_figures_of_an_independent_script(accounted, log):
    found, wanted = facts(accounted, "replay").plain, independently(accounted, log)
    for one in (found, *found["roles"].values()):
        each = one["gain_per_1000"]
        assert each["low"] < each["value"] < each["high"]
        one["gain_per_1000"] = each["value"]
    assert {k: found[k] for k in wanted} == wanted
    assert len(found["weeks"]) > 8
    assert found["unmatched"] and found["known"] > 500 and len(found["roles"]) == 2
    assert 0 < found["retention"] < 1
    assert min(w["kept"] for w in found["weeks"]) < 0.5 < max(w["kept"] for w in found["weeks"])


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
    take_decisions(ws, publish(ws, [FIRST]), "replay", None)
    return ws


def test_a_response_that_comes_late_restates_its_decisions_day(small):
    day, moment = f"{FIRST}", datetime(2014, 1, 1)
    one = read_decisions(small, day, "replay")[0]
    assert heard(small, "replay", moment).why == {}
    other = {"act": "wait", "wait": "act"}[one["action"]]
    record_response(
        small,
        Response(one["decision_id"], "ann", "decider", "overridden", other, "I know better", at=datetime(2013, 4, 29)),
    )
    behind = heard(small, "replay", moment)
    assert behind.ranges() == [(day, day)]
    assert behind.sources == {"responses"}
    accept(small, [day])
    assert "responses not accounted for" in heard(small, "replay", moment).why[day]
    account(small, [day], "replay")
    found = facts(small, "replay")
    assert (found.seen, found.overridden, found.known) == (1, 1, 1)
    assert [(w.week, w.overridden) for w in found.weeks] == [("2013-W14", 0), ("2013-W17", 1)], (
        "the week of the answer, which was a Sunday evening in New York"
    )
    assert heard(small, "replay", moment).why == {}


def test_responses_are_no_input_of_decisions(small):
    day = f"{FIRST}"
    record_response(small, Response(read_decisions(small, day, "replay")[0]["decision_id"], "ann", "decider", "seen"))
    accept(small, [day])
    assert "validated/responses" not in small.lake.entry("features", day).inputs
    again = FeatureWindow(small.use_case, small.lake, [day]).build()
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


def real(found):
    """As if nobody had simulated any of it."""
    return replace(found, simulated=0)


def test_where_nobody_ever_disagrees_it_is_a_rubber_stamp(accounted):
    found = real(facts(accounted, "replay"))
    assert found.alarms(accounted) == {}
    assert holds(accounted, found) == []
    few = replace(found, recent=Use(seen=300, accepted=300, overridden=0))
    many = replace(found, recent=Use(seen=400, accepted=400, overridden=0))
    assert few.alarms(accounted) == {}, "of 300 it may be chance"
    ((kind, alarm),) = many.alarms(accounted).items()
    assert (kind, alarm[:28]) == ("rubber stamp", "Of 400 answers 0 disagreed, ")
    assert holds(accounted, many) == [alarm]


def test_where_few_follow_it_does_not_hold(accounted):
    found = replace(real(facts(accounted, "replay")), recent=Use(seen=1000, accepted=300, overridden=500))
    assert holds(accounted, found) == ["Of the decisions seen 30% were followed; 50% are the least."]


def test_use_is_judged_by_the_newest_days(accounted):
    """A year of disagreement is no excuse for a month of stamping."""
    watch = accounted.use_case.watch.model_copy(update={"usage_days": 3})
    ws = replace(accounted, use_case=accounted.use_case.model_copy(update={"watch": watch}))
    newest = [ws.lake.entry(dataset("replay"), p).facts for p in span(LAST - timedelta(days=2), LAST)]
    recent = facts(ws, "replay").recent
    assert (recent.seen, recent.accepted) == tuple(sum(f[c] for f in newest) for c in ("seen", "accepted"))
    assert 0 < recent.answered < recent.seen < facts(ws, "replay").seen


def test_what_is_simulated_is_no_sign_of_use(accounted):
    found = facts(accounted, "replay")
    assert holds(accounted, found) == [f"What is simulated is no sign of use ({found.label})."]
    assert told(accounted, found)[0] == f"S{found.label[1:]}."
    assert real(found).label == ""


def test_the_declaration_is_held_to_its_word(tmp_path):
    with pytest.raises(ValueError, match="'said' is not a source"):
        make_use_case(tmp_path, people={"responses": "said"})
    with pytest.raises(ValueError, match=r"missing: \['action'"):
        make_use_case(tmp_path, people={"responses": "visits"})
    assert "responses" not in make_use_case(tmp_path, **WITH_RESPONSES).inputs
