"""What the chain hasn't caught up with is found from what lies there, whatever died in between."""

from datetime import date, datetime, timedelta

import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.review_queue import queue_reviews
from sixtyforty.ingest.raw import ingest
from sixtyforty.lifecycle import catch_up
from sixtyforty.lifecycle.catch_up import Behind, look, stretches
from sixtyforty.modeling import features, outcomes
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import versions_by_partition
from tests.helpers import (
    CALLS,
    UNJUDGED,
    VISITS,
    accept_partitions,
    calls_on,
    csv_text,
    land_days,
    land_extract,
    make_workspace,
    visits_on,
)

DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(5)]
KEYS = [d.isoformat() for d in DAYS]
LATER = datetime(2013, 3, 20)
OPEN = datetime(2013, 3, 9, 12)  # the last day goes on


@pytest.fixture
def ws(tmp_path):
    """Five days landed, nothing else done; live since the second day."""
    found = make_workspace(tmp_path)
    land_days(found, DAYS)
    found.champion_ledger.append(
        track="live",
        version="none",
        verdict="PROMOTE",
        kind="adopted",
        as_of="2013-03-06",
        effective_from="2013-03-06T00:00:00",
        reasons=["a start"],
    )
    return found


def judged(ws, keys, closed=True):
    """Validated, with a verdict that says whether the day was over."""
    accept_partitions(ws, keys)
    for name in ws.use_case.sources:
        for key, entry in ws.lake.entries(f"validated/{name}", keys).items():
            import pyarrow.parquet as pq

            facts = {**UNJUDGED, "verdict": {**UNJUDGED["verdict"], "closed": closed}}
            rows = pq.read_table(ws.lake.local_file(entry))
            ws.lake.write(f"validated/{name}", key, rows, inputs=entry.inputs, code="test", facts=facts)


def published(ws, keys):
    """Features and outcomes made anew."""
    import pyarrow as pa

    built, became = (
        features.FeatureWindow(ws.use_case, ws.lake, keys).build(),
        outcomes.build_outcomes(ws.use_case, ws.lake, keys),
    )
    for p, rows in built.tables.items():
        rows = rows.append_column("suspect", pa.array(["no model yet"] * rows.num_rows, pa.string()))
        ws.lake.write("features", p, rows, inputs=built.inputs[p], code="test", facts=UNJUDGED)
    for p, rows in became.tables.items():
        ws.lake.write("outcomes", p, rows, inputs=became.inputs[p], code="test")


def whole(ws, keys=KEYS, moment=LATER):
    """Everything a run does."""
    judged(ws, keys)
    published(ws, keys)
    for p, taken in take_decisions(ws, keys, "live", moment).items():
        deliver_decisions(ws, {p: taken.entry}, "live")
    kpi_ledger.write_accounts(ws, keys, "live")


def test_what_has_landed_is_asked_for_by_day(ws):
    found = look(ws, "live", LATER)
    assert found.ranges() == [(KEYS[0], KEYS[-1])]
    assert found.sources == {"calls", "visits"}
    assert "calls: 1 extracts, not all as they were" in found.why[KEYS[0]]


def test_when_all_is_done_nothing_is_asked_for(ws):
    whole(ws)
    assert look(ws, "live", LATER).why == {}


@pytest.mark.parametrize(
    ("stop", "says"),
    [
        ("raw", "not validated"),
        ("validated", "made from other data"),
        ("features", "decisions due"),
        ("decisions", "not delivered"),
        ("delivery", "money not accounted for"),
    ],
)
def test_wherever_a_run_died_the_rest_is_asked_for(ws, stop, says):
    for name in ws.use_case.sources:
        ws.landing.scan(name)
        ingest(ws.use_case, name, ws.lake, ws.landing, KEYS, "test")
    if stop != "raw":
        judged(ws, KEYS)
    if stop not in ("raw", "validated"):
        published(ws, KEYS)
    if stop in ("decisions", "delivery"):
        taken = take_decisions(ws, KEYS, "live", LATER)
        if stop == "delivery":
            deliver_decisions(ws, {p: t.entry for p, t in taken.items()}, "live")
    found = look(ws, "live", LATER)
    assert any(says in reason for reason in found.why[KEYS[2]])
    whole(ws)
    assert look(ws, "live", LATER).why == {}


def test_a_late_extract_restates_the_lookback_and_no_more(tmp_path):
    ws = make_workspace(tmp_path, lookback_partitions=2)
    land_days(ws, DAYS)
    judged(ws, KEYS)
    published(ws, KEYS)
    land_extract(ws.landing, "visits_late.csv", csv_text(VISITS, [(1, f"{DAYS[1]} 15:00:00", 1)]))
    found = look(ws, "live", LATER)
    assert found.ranges() == [(KEYS[0], KEYS[3])], "its day, the outcomes before it, two days of lookback"
    assert found.sources == {"visits"}
    judged(ws, KEYS[0:4])
    published(ws, KEYS[0:4])
    assert look(ws, "live", LATER).why == {}


def test_days_apart_are_ranges_apart_the_newest_first(ws):
    found = Behind(ws.use_case)
    for day in ("2013-03-01", "2013-03-02", "2013-03-05", "all"):
        found.add(day, "why", 1)
    assert found.ranges() == [("2013-03-05", "2013-03-05"), ("2013-03-01", "2013-03-02")]
    assert found.reasons("2013-03-05", "2013-03-05") == ["all: why", "2013-03-05: why"]
    assert found.key("2013-03-01", "2013-03-02") != found.key("2013-03-05", "2013-03-05")


def test_a_day_that_grows_is_judged_again_when_it_has_settled(ws):
    judged(ws, KEYS, closed=False)
    published(ws, KEYS)
    last = KEYS[-1]
    closes = ws.use_case.settled_at(last)
    assert not any("closed" in r for r in look(ws, "live", closes - timedelta(seconds=1)).why.get(last, {}))
    assert any("closed" in r for r in look(ws, "live", closes).why[last])


def test_decisions_come_due_as_time_goes_by(ws):
    whole(ws, moment=OPEN)
    assert look(ws, "live", OPEN).why == {}
    found = look(ws, "live", OPEN + timedelta(hours=1))
    assert {p: list(why) for p, why in found.why.items()} == {KEYS[-1]: ["1 decisions due"]}
    assert not found.sources, "nothing has to be validated for that"


def test_the_same_words_in_another_state_are_other_work(ws):
    """An hour with as many decisions as the one before must not pass for done."""
    whole(ws, moment=OPEN)
    first = look(ws, "live", OPEN + timedelta(hours=1))
    whole(ws, moment=OPEN + timedelta(hours=1))
    second = look(ws, "live", OPEN + timedelta(hours=2))
    assert first.reasons(KEYS[-1], KEYS[-1]) == second.reasons(KEYS[-1], KEYS[-1]) == [f"{KEYS[-1]}: 1 decisions due"]
    assert first.key(KEYS[-1], KEYS[-1]) != second.key(KEYS[-1], KEYS[-1])


def test_a_file_replaced_under_its_name_is_other_work(ws):
    ranges = [look(ws, "live", LATER).key(KEYS[0], KEYS[-1])]
    land_extract(ws.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, calls_on(DAYS[0])[:-1]))
    ranges.append(look(ws, "live", LATER).key(KEYS[0], KEYS[-1]))
    assert ranges[0] != ranges[1]


def test_a_source_that_cannot_be_reached_stops_no_other(tmp_path):
    ws = make_workspace(tmp_path, sources={"visits": {"location": f"{tmp_path}/nowhere"}})
    land_extract(ws.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, calls_on(DAYS[0])))
    found = look(ws, "live", LATER)
    assert found.sources == {"calls"}
    assert "visits" in found.unreachable["visits"]


def test_what_a_source_held_is_not_asked_for_while_it_cannot_be_reached(tmp_path):
    """A run for it would only fail, and take the other sources' days with it."""
    away = tmp_path / "away"
    away.mkdir()
    ws = make_workspace(tmp_path, sources={"visits": {"location": f"{away}"}})
    (away / f"visits_{DAYS[0]}.csv").write_text(csv_text(VISITS, visits_on(DAYS[0])))
    assert look(ws, "live", LATER).sources == {"visits"}
    away.rename(tmp_path / "gone")
    found = look(ws, "live", LATER)
    assert not found.why
    assert "visits" in found.unreachable
    (tmp_path / "gone").rename(away)
    assert look(ws, "live", LATER).sources == {"visits"}


def test_before_going_live_nothing_is_due(tmp_path):
    ws = make_workspace(tmp_path)
    land_days(ws, DAYS)
    judged(ws, KEYS)
    published(ws, KEYS)
    assert look(ws, "live", LATER).why == {}


def test_a_rejected_day_is_not_asked_for_again_and_again(ws):
    whole(ws)
    land_extract(ws.landing, "calls_more.csv", csv_text(CALLS, [(1, "x", f"{DAYS[2]} 15:00:00", 0.5)]))
    ws.landing.scan("calls")
    raw = ingest(ws.use_case, "calls", ws.lake, ws.landing, [KEYS[2]], "test")[KEYS[2]]
    nothing = csv_text(CALLS, [])
    assert nothing
    facts = {**UNJUDGED, "verdict": {**UNJUDGED["verdict"], "closed": True, "accepted": False}}
    empty = features.FeatureWindow(ws.use_case, ws.lake, [KEYS[2]]).build().tables[KEYS[2]].slice(0, 0)
    ws.lake.write("rejected/calls", KEYS[2], empty, inputs={"raw/calls": versions_by_partition({KEYS[2]: raw})}, facts=facts)
    assert look(ws, "live", LATER).why == {}


def test_decided_days_keep_their_decisions_when_restated(ws):
    whole(ws)
    before = ws.lake.entry(decisions_dataset("live"), KEYS[2])
    more = [*visits_on(DAYS[2])[:-1], (visits_on(DAYS[2])[-1][0], f"{DAYS[2]} 16:00:00", 1)]
    land_extract(ws.landing, "visits_corrected.csv", csv_text(VISITS, more))
    assert look(ws, "live", LATER).why
    whole(ws)
    assert ws.lake.entry(decisions_dataset("live"), KEYS[2]) == before
    assert look(ws, "live", LATER).why == {}
    assert len(calls_on(DAYS[2])) == before.rows


def test_what_reviewers_were_not_asked_is_asked_for_while_its_day_lasts(tmp_path):
    ws = make_workspace(
        tmp_path, people={"review": {"reviewers": {"lead": 3}, "minutes_per_review": 5, "abstain_below": 1}}
    )
    land_days(ws, DAYS)
    ws.champion_ledger.append(
        track="live",
        version="none",
        verdict="PROMOTE",
        kind="adopted",
        as_of="2013-03-06",
        effective_from="2013-03-06T00:00:00",
        reasons=["a start"],
    )
    whole(ws, moment=OPEN)
    assert {p: list(why) for p, why in look(ws, "live", OPEN).why.items()} == {KEYS[-1]: ["nobody asked to review"]}
    queue_reviews(ws, KEYS[-1:], "live")
    assert look(ws, "live", OPEN).why == {}


LONG = [date(2013, 3, 5) + timedelta(days=i) for i in range(15)]
LONG_KEYS = [d.isoformat() for d in LONG]
MONTHS_ON = datetime(2013, 4, 20)


@pytest.fixture
def long(tmp_path, monkeypatch):
    """Fifteen days, all done; with the two ahead that may have features, eight blocks of two days and a half."""
    monkeypatch.setattr(catch_up, "BLOCK", 2)
    found = make_workspace(tmp_path, lookback_partitions=2, partitions={"start": f"{LONG[0]}", "end": None})
    land_days(found, LONG)
    found.champion_ledger.append(
        track="live",
        version="none",
        verdict="PROMOTE",
        kind="adopted",
        as_of="2013-03-06",
        effective_from="2013-03-06T00:00:00",
        reasons=["a start"],
    )
    whole(found, LONG_KEYS, MONTHS_ON)
    assert look(found, "live", MONTHS_ON).why == {}
    return found


def test_of_a_long_history_the_newest_is_always_looked_at_and_the_others_in_turn(long):
    seen = [stretches(long, MONTHS_ON, turn) for turn in range(8)]
    newest = [LONG_KEYS[14], "2013-03-20", "2013-03-21"]
    assert all(last == newest for _, last in seen)
    older = [first for first, _ in seen]
    assert all(len(block) == 2 for block in older)
    assert sorted({p for block in older for p in block} | set(newest)) == stretches(long, MONTHS_ON, None)[0]
    assert older[0] == LONG_KEYS[:2], "the same cuts at each turn, from the first partition on"
    assert stretches(long, MONTHS_ON, 0)[0] == stretches(long, MONTHS_ON, len(set(map(tuple, older))))[0]


def test_what_is_behind_far_back_is_found_in_its_turn_and_all_turns_find_what_one_whole_look_finds(long):
    land_extract(long.landing, "visits_late.csv", csv_text(VISITS, [(1, f"{LONG[1]} 15:00:00", 1)]))
    long.lake.drop("outcomes", LONG_KEYS[6])
    long.lake.drop("kpi/live", LONG_KEYS[9])
    (long.deliveries / "live" / f".{LONG_KEYS[14]}.delivered").unlink()
    everything = look(long, "live", MONTHS_ON)
    assert {LONG_KEYS[1], LONG_KEYS[6], LONG_KEYS[9], LONG_KEYS[14]} <= everything.why.keys()
    by_turn = [look(long, "live", MONTHS_ON, turn).why for turn in range(7)]
    assert all(LONG_KEYS[14] in why for why in by_turn), "what is new is found at once"
    together: dict[str, dict[str, str]] = {}
    for why in by_turn:
        for partition, reasons in why.items():
            together.setdefault(partition, {}).update(reasons)
    assert together == everything.why


def test_a_look_reads_no_manifest_beyond_its_stretches_and_their_windows(long, monkeypatch):
    read, entry = set(), Lake.entry

    def seen(self, dataset, partition):
        read.add(partition)
        return entry(self, dataset, partition)

    monkeypatch.setattr(Lake, "entry", seen)
    look(long, "live", MONTHS_ON, 1)
    allowed = {p for of in stretches(long, MONTHS_ON, 1) for p in long.use_case.widen(of, 2, 1)}
    assert set(LONG_KEYS[2:4]) <= read <= allowed
    assert not read & set(LONG_KEYS[6:9])


def test_what_lands_before_its_day_is_open_waits_for_it_and_holds_up_nothing(tmp_path):
    """A run over a partition that Dagster doesn't have yet fails, and today's with it."""
    ws = make_workspace(
        tmp_path, partitions={"end": None, "partitions_ahead": 2}, sources={"calls": {"files": "calls_*.csv"}}
    )
    land_days(ws, [*DAYS, DAYS[-1] + timedelta(days=1), DAYS[-1] + timedelta(days=2)])
    for turn in (None, 0):
        assert look(ws, "live", OPEN, turn).ranges() == [(KEYS[0], "2013-03-10")], "today is the 9th: tomorrow is open"
        assert look(ws, "live", OPEN + timedelta(days=1), turn).ranges() == [(KEYS[0], "2013-03-11")]


def test_a_row_of_a_day_far_ahead_does_not_move_the_newest_stretch(long):
    land_extract(long.landing, "calls_typo.csv", csv_text(CALLS, [(1, "x", "2103-03-05 15:00:00", 0.5)]))
    before = stretches(long, MONTHS_ON, 0)
    look(long, "live", MONTHS_ON, 0)
    assert [e for e in long.landing.known("calls") if "2103-03-05" in e.partitions]
    assert stretches(long, MONTHS_ON, 0) == before
