"""Which answer is in force: the first, in time, on a unit that isn't held out, and not withdrawn."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.answers_in_force import JudgedAnswer, answer_deadline, judge_answer
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import Event, Response
from tests.helpers import make_use_case

DECIDED_AT = datetime(2024, 3, 5, 12)


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    """Answers have an effect for one hour."""
    return make_use_case(tmp_path_factory.mktemp("use_case"), people={"answer_within_minutes": 60})


def response(event: Event, minutes: int, action: str | None = None, person: str = "ann") -> Response:
    at = DECIDED_AT + timedelta(minutes=minutes)
    return Response("live-1", person, "decider", event, action, at=at, response_id=f"{person}{event}{minutes}{action}")


def judge(use_case: UseCase, *responses: Response, decided_by: str = "model") -> JudgedAnswer | None:
    return judge_answer(use_case, "live-1", DECIDED_AT, decided_by, "act", responses)


OVERRIDE = response("overridden", 10, "wait")
AGAIN = response("overridden", 30, "wait", "bob")


@pytest.mark.parametrize(
    ("responses", "decided_by", "effect", "action", "revision"),
    [
        ([OVERRIDE], "model", "in force", "wait", 1),
        ([OVERRIDE], "review", "in force", "wait", 1),
        ([response("accepted", 10, "act")], "model", "in force", "act", 1),
        ([response("accepted", 10)], "model", "in force", "act", 1),
        ([response("overridden", 60, "wait")], "model", "in force", "wait", 1),
        ([response("overridden", 61, "wait")], "model", "late", "act", 0),
        ([OVERRIDE], "holdout", "held out", "act", 0),
        ([OVERRIDE], "shadow", "held out", "act", 0),
        ([OVERRIDE, response("accepted", 20, "act", "bob")], "model", "in force", "wait", 1),
        ([OVERRIDE, response("withdrawn", 20)], "model", "withdrawn", "act", 2),
        ([OVERRIDE, response("withdrawn", 61)], "model", "in force", "wait", 1),
        ([OVERRIDE, response("withdrawn", 20), AGAIN], "model", "in force", "wait", 3),
        ([OVERRIDE, response("withdrawn", 10), AGAIN], "model", "in force", "wait", 3),
        ([OVERRIDE, response("withdrawn", 20), AGAIN, response("withdrawn", 40)], "model", "withdrawn", "act", 4),
        ([OVERRIDE, response("withdrawn", 20), AGAIN, response("withdrawn", 61)], "model", "in force", "wait", 3),
        ([OVERRIDE, response("withdrawn", 20), response("accepted", 61, "act")], "model", "withdrawn", "act", 2),
        ([OVERRIDE, response("withdrawn", 20), response("overridden", 30, "dance")], "model", "withdrawn", "act", 2),
        ([OVERRIDE, response("withdrawn", 20), response("withdrawn", 25), AGAIN], "model", "in force", "wait", 3),
        ([OVERRIDE, response("withdrawn", 20), AGAIN], "holdout", "held out", "act", 0),
        ([response("withdrawn", 5), OVERRIDE], "model", "in force", "wait", 1),
        ([response("overridden", 10, "dance")], "model", "invalid", "act", 0),
        ([response("overridden", 10, "act")], "model", "invalid", "act", 0),
        ([response("accepted", 10, "wait")], "model", "invalid", "act", 0),
    ],
)
def test_the_effect_of_an_answer(
    use_case: UseCase, responses: list[Response], decided_by: str, effect: str, action: str, revision: int
) -> None:
    judged = judge(use_case, *responses, decided_by=decided_by)
    assert judged and (judged.effect, judged.action, judged.revision) == (effect, action, revision)


def test_a_look_and_a_rating_are_no_answer(use_case: UseCase) -> None:
    assert judge(use_case) is judge(use_case, response("seen", 1), response("rated", 2)) is None


def test_without_a_declared_deadline_no_answer_is_late(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    assert answer_deadline(use_case, DECIDED_AT) is None
    judged = judge(use_case, response("overridden", 100_000, "wait"))
    assert judged and judged.effect == "in force"


EVENTS: Any = st.builds(
    response,
    st.sampled_from(["seen", "accepted", "overridden", "rated", "withdrawn"]),
    st.integers(0, 90),
    st.sampled_from(["act", "wait", "dance", None]),
    st.sampled_from(["ann", "bob"]),
)


@given(st.lists(EVENTS, max_size=6, unique_by=lambda r: r.response_id), st.randoms())
def test_only_an_answer_in_force_changes_the_action(use_case: UseCase, responses: list[Response], random: Any) -> None:
    judged = judge(use_case, *responses)
    shuffled = random.sample(responses, len(responses))
    assert judge(use_case, *shuffled) == judged, "the order in which responses are read has no effect"
    if judged is None:
        assert not any(r.event in ("accepted", "overridden") for r in responses)
        return
    assert judged.action in ("act", "wait")
    assert judged.action == "act" or judged.effect == "in force"
    assert bool(judged.revision) == (judged.effect in ("in force", "withdrawn"))
    held_out = judge(use_case, *responses, decided_by="holdout")
    assert held_out and (held_out.action, held_out.revision) == ("act", 0)
