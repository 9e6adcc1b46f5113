"""The review queue: the best use of a person's minutes, never more than there are, and nothing lost."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.review_candidates import ReviewCandidate
from sixtyforty.decisions.review_queue import assign_reviews, queue_reviews, read_queue, reviews_possible_by
from sixtyforty.decisions.review_queue import review_dataset as queues
from sixtyforty.spec.review import Review
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.policy import REVIEW_REASON
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, make_workspace, publish_days, put_champion_in_force, read_lake

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(13)]
P = DAYS[-1].isoformat()
RULE = {
    "description": "A second fitter wherever it is busy.",
    "action": "case when load > 0.2 then 'act' else 'wait' end",
}
BOTH = {"reviewers": {"ann": 4, "bo": 2}, "minutes_per_review": 5, "abstain_below": 2, "rule": "busy"}
START = datetime(2013, 3, 13, 4)  # midnight in New York


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("declared"))


# --- handing out


REVIEWS = st.dictionaries(st.sampled_from(["ann", "bo", "cy"]), st.integers(1, 6), min_size=1).map(
    lambda r: Review(reviewers=r, minutes_per_review=5, abstain_below=1)
)
CASES = st.lists(st.tuples(st.integers(-2, 25), st.integers(0, 9)), max_size=40).map(
    lambda said: [
        ReviewCandidate(f"d{i:02}", START + timedelta(hours=h), float(w), "why", "act", "wait")
        for i, (h, w) in enumerate(said)
    ]
)


def by_the_hour(use_case: UseCase, review: Review, cases: list[ReviewCandidate]) -> list[Any]:
    items: list[Any] = []
    for hour in range(-2, 26):
        known = [c for c in cases if c.decided_at <= START + timedelta(hours=hour)]
        items = assign_reviews(use_case, review, P, known, items)
    return items


@given(REVIEWS, CASES)
def test_nobody_is_asked_more_than_there_is_time_for(
    use_case: UseCase, review: Review, cases: list[ReviewCandidate]
) -> None:
    items = assign_reviews(use_case, review, P, cases)
    whole = sum(review.reviewers.values())
    for reviewer, count in Counter(i.reviewer for i in items).items():
        assert count <= review.reviewers[reviewer]
    for moment in {c.decided_at for c in cases}:
        assert sum(i.decided_at <= moment for i in items) <= reviews_possible_by(use_case, whole, P, moment)


@given(REVIEWS, CASES)
def test_a_place_is_given_whenever_there_is_one_and_each_case_has_one_at_most(
    use_case: UseCase, review: Review, cases: list[ReviewCandidate]
) -> None:
    items = assign_reviews(use_case, review, P, cases)
    queued = [i.decision_id for i in items]
    assert len(set(queued)) == len(queued)
    assert set(queued) <= {c.decision_id for c in cases}
    assert [i.rank for i in items] == list(range(1, len(items) + 1))
    for case in cases:
        if case.decision_id not in queued:
            used = sum(i.decided_at <= case.decided_at for i in items)
            assert used == reviews_possible_by(use_case, sum(review.reviewers.values()), P, case.decided_at)


@given(REVIEWS, CASES)
def test_hour_by_hour_gives_the_queue_of_a_backfill(
    use_case: UseCase, review: Review, cases: list[ReviewCandidate]
) -> None:
    assert by_the_hour(use_case, review, cases) == assign_reviews(use_case, review, P, cases)


@given(REVIEWS, CASES)
def test_within_a_moment_those_worth_most_come_first(
    use_case: UseCase, review: Review, cases: list[ReviewCandidate]
) -> None:
    items = assign_reviews(use_case, review, P, cases)
    assert [(i.decided_at, -i.worth) for i in items] == sorted((i.decided_at, -i.worth) for i in items)
    left = {c.decision_id for c in cases} - {i.decision_id for i in items}
    for case in cases:
        if case.decision_id in left:
            assert all(i.worth >= case.worth for i in items if i.decided_at == case.decided_at)


@given(REVIEWS, CASES, CASES)
def test_what_was_queued_stays_queued_whatever_comes_late(
    use_case: UseCase, review: Review, cases: list[ReviewCandidate], late: list[ReviewCandidate]
) -> None:
    before = assign_reviews(use_case, review, P, cases)
    more = [ReviewCandidate(f"late {c.decision_id}", *list(c.__dict__.values())[1:]) for c in late]
    after = assign_reviews(use_case, review, P, [*more, *cases[::2]], before)
    assert after[: len(before)] == before
    for moment in {c.decided_at for c in [*cases, *more]}:
        allowed = reviews_possible_by(use_case, sum(review.reviewers.values()), P, moment)
        assert sum(i.decided_at <= moment for i in after) <= allowed


def test_the_day_goes_by_on_its_own_clock(use_case: UseCase) -> None:
    def at(hours: int) -> int:
        return reviews_possible_by(use_case, 24, P, START + timedelta(hours=hours))

    assert [at(h) for h in (-5, 0, 1, 12, 24, 30)] == [0, 0, 1, 12, 24, 24]
    assert reviews_possible_by(use_case, 1, P, START + timedelta(seconds=1)) == 1, "rounded up"
    spring = date(2013, 3, 10).isoformat()
    assert reviews_possible_by(use_case, 23, spring, datetime(2013, 3, 10, 5) + timedelta(hours=7)) == 7  # of 23 hours


def test_reviewers_are_asked_in_proportion_to_what_they_can_do(use_case: UseCase) -> None:
    review = Review(reviewers={"ann": 4, "bo": 2}, minutes_per_review=5, abstain_below=1)
    end = START + timedelta(hours=24)
    cases = [ReviewCandidate(f"d{i}", end, 1.0, "why", "act", "wait") for i in range(9)]
    assert "".join(i.reviewer[0] for i in assign_reviews(use_case, review, P, cases)) == "abaaba"


# --- from decisions to the queue


def home(folder: Path, **review: Any) -> Workspace:
    ws = make_workspace(folder, people={"review": {**BOTH, **review}}, kpi={"candidates": {"busy": RULE}})
    publish_days(ws, DAYS, count=20)
    put_champion_in_force(ws, DAYS[-1])
    return ws


def test_what_is_nearly_even_and_what_the_rule_would_do_otherwise_is_put_before_people(tmp_path: Path) -> None:
    ws = home(tmp_path, reviewers={"ann": 400})
    take_decisions(ws, [P], "replay", None)
    facts, items = queue_reviews(ws, [P], "replay")[P].facts, read_queue(ws, P, "replay")
    rows = {d["decision_id"]: d for d in read_decisions(ws, P, "replay")}
    knew = pq.read_table(ws.lake.local_file(ws.lake.entry("features", P))).to_pylist()
    load = {r["id"]: r["load"] for r in knew}
    rule = {i: "act" if load[d["id"]] > 0.2 else "wait" for i, d in rows.items()}
    even = {i for i, d in rows.items() if abs(10 * d["expected"] - 3) < 2}
    assert {i.decision_id for i in items} == even | {i for i, d in rows.items() if rule[i] != d["action"]}
    assert (facts["candidates"], facts["queued"], facts["overflow"]) == (len(items), len(items), 0)
    for item in items:
        assert item.action == rows[item.decision_id]["action"] != item.alternative
        assert ("within" in item.why) == (item.decision_id in even)
        assert ("Another rule would call" in item.why) == (rule[item.decision_id] != item.action)
    assert facts["minutes"] == 5 * len(items) > 0


def test_the_queue_and_what_overflows_are_all_there_was(tmp_path: Path) -> None:
    ws = home(tmp_path)
    take_decisions(ws, [P], "replay", None)
    facts = queue_reviews(ws, [P], "replay")[P].facts
    assert facts["queued"] == len(read_queue(ws, P, "replay")) > 0
    assert facts["overflow"] > 0
    assert facts["candidates"] == facts["queued"] + facts["overflow"]


def test_lined_up_hour_by_hour_it_is_the_backfills_queue_and_again_the_same_bytes(tmp_path: Path) -> None:
    lived, backfilled = home(tmp_path / "lived"), home(tmp_path / "backfilled")
    for hour in range(10, 16):
        take_decisions(lived, [P], "replay", datetime(2013, 3, 13, hour))
        queue_reviews(lived, [P], "replay")
    take_decisions(backfilled, [P], "replay", None)
    entry = queue_reviews(backfilled, [P], "replay")[P]
    assert read_queue(lived, P, "replay") == read_queue(backfilled, P, "replay")
    assert lived.lake.entry(queues("replay"), P).facts == entry.facts
    before = read_lake(lived.lake)
    queue_reviews(lived, [P], "replay")
    assert read_lake(lived.lake) == before


def test_what_was_queued_stays_when_its_features_are_restated(tmp_path: Path) -> None:
    ws = home(tmp_path)
    take_decisions(ws, [P], "replay", None)
    queue_reviews(ws, [P], "replay")
    before = read_queue(ws, P, "replay")
    entry = ws.lake.entry("features", P)
    rows = pq.read_table(ws.lake.local_file(entry))
    idle = pa.array([0.0] * rows.num_rows)
    rows = rows.set_column(rows.column_names.index("load"), "load", idle)
    ws.lake.write("features", P, rows, inputs=entry.inputs, code="test", facts=entry.facts)
    queue_reviews(ws, [P], "replay")
    assert read_queue(ws, P, "replay")[: len(before)] == before


def test_decisions_are_the_same_to_the_byte_with_and_without_reviewers_who_never_abstain(tmp_path: Path) -> None:
    with_, without = home(tmp_path / "a", abstain=0), home(tmp_path / "b")
    bare = Workspace(make_use_case(tmp_path / "b" / "use_case"), without.home, without.database_url)
    take_decisions(with_, [P], "replay", None)
    take_decisions(bare, [P], "replay", None)
    files = [ws.lake.local_file(ws.lake.entry(decisions_dataset("replay"), P)) for ws in (with_, bare)]
    assert [d | {"code_version": ""} for d in pq.read_table(files[0]).to_pylist()] == [
        d | {"code_version": ""} for d in pq.read_table(files[1]).to_pylist()
    ]
    assert queue_reviews(bare, [P], "replay") == {}


def test_where_the_model_abstains_the_current_process_decides_until_a_reviewer_has(tmp_path: Path) -> None:
    ws = home(tmp_path, fallback="current_process", reviewers={"ann": 400})
    taken = take_decisions(ws, [P], "replay", None)[P]
    rows = read_decisions(ws, P, "replay")
    even = [d for d in rows if abs(10 * d["expected"] - 3) < 2]
    assert even
    for d in rows:
        if d in even:
            assert (d["decided_by"], d["reason"], d["action"]) == ("review", REVIEW_REASON, d["current_action"])
        else:
            assert d["decided_by"] == "model"
    assert (taken.entry.facts["review"], taken.fallback) == (len(even), len(even))
    queue_reviews(ws, [P], "replay")
    assert {d["decision_id"] for d in even} <= {i.decision_id for i in read_queue(ws, P, "replay")}
