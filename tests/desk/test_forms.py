"""Forms: only the desk's own are accepted."""

from __future__ import annotations

import pytest

from desk.forms import MAX_FORM_BYTES, check_form_token
from desk.page_request import Problem
from desk.sessions import csrf_of
from sixtyforty.decisions.responses import responses_to
from tests.desk.conftest import Person, RunningDesk, csrf_in, shown_ids


def test_a_form_from_elsewhere_changes_nothing(desk: RunningDesk, decider: Person, expert: Person) -> None:
    page = decider.get("/decisions").text
    form = {"decision_id": shown_ids(page)[0], "event": "accepted"}
    other_session = {"csrf": csrf_in(expert.get("/review").text)}
    for forged in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}, other_session):
        answer = decider.client.post("/decisions", data=form | forged)
        assert answer.status_code == 403
        assert "out of date" in answer.text
    assert [r.event for r in responses_to(desk.ws, form["decision_id"])] == ["seen"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"a=" + b"x" * MAX_FORM_BYTES, 413), (b"\xff\xfe", 400), (b"&".join([b"a=b"] * 60), 400)]
)
def test_a_body_that_is_no_form_of_the_desk_is_refused(decider: Person, body: bytes, status: int) -> None:
    for address in ("/", "/decisions"):
        answer = decider.client.post(address, content=body)
        assert answer.status_code == status
        assert "Nothing was saved" in answer.text


def test_a_form_token_belongs_to_one_session() -> None:
    check_form_token({"csrf": csrf_of("mine")}, "mine")
    with pytest.raises(Problem, match="Nothing was saved"):
        check_form_token({"csrf": csrf_of("yours")}, "mine")
