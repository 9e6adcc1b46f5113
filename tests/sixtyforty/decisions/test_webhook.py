"""The webhook gets each live decision and revision, signed, in spite of failures and kills."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from sixtyforty.decisions.answers_in_force import JudgedAnswer
from sixtyforty.decisions.delivery_table import delete_delivered, read_deliveries, revise_rows
from sixtyforty.decisions.webhook import (
    MOST_ATTEMPTS,
    Reply,
    Request,
    WebhookError,
    count_decisions,
    post,
    read_webhook,
    retry,
    send_due,
    sign,
)
from sixtyforty.reports.webhook_alerts import find_failing_webhook
from sixtyforty.workspace import Workspace
from tests.postgres import Postgres
from tests.webhook_receiver import DAY, SECRET, WEBHOOK, deliver, running_receiver

URL = "https://ops.example/hook"
NOW = datetime(2100, 1, 1)  # later than the real time at which the outbox gets decisions


class Receiver:
    """A webhook that stores the ids it gets, and answers with the next of some statuses, then with 200."""

    def __init__(self, *statuses: int, poison: str = "") -> None:
        self.statuses, self.poison = list(statuses), poison
        self.requests: list[Request] = []
        self.decisions: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        decisions = json.loads(request.body)["decisions"]
        if any(self.poison and decision["id"].startswith(self.poison) for decision in decisions):
            return Reply(422)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.decisions += decisions
        return Reply(status)

    @property
    def ids(self) -> list[str]:
        return [decision["id"] for decision in self.decisions]


@pytest.fixture
def ws(ready: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("HOOK_URL", URL)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    return Workspace(ready.use_case.model_copy(update={"webhook": WEBHOOK}), ready.home, ready.database_url)


def answer(ws: Workspace, decision_id: str, action: str, revision: int) -> None:
    judged = JudgedAnswer(decision_id, action, "in force", "decider", datetime(2013, 3, 13, 10), revision)
    assert revise_rows(ws, "live", [judged]) == 1


def with_revision(ids: Sequence[str], revision: int = 0) -> list[str]:
    return [f"{decision_id}:{revision}" for decision_id in ids]


def test_a_signature_is_that_of_the_specification() -> None:
    """The example that Standard Webhooks publishes."""
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def read_secret(text: str) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOK_URL", URL)
        patch.setenv("HOOK_SECRET", text)
        return read_webhook(WEBHOOK)[1][0]


def test_each_decision_is_sent_once_in_batches(ws: Workspace) -> None:
    ids, receiver = deliver(ws, 10), Receiver()
    assert send_due(ws, NOW, receiver).sent == 10
    assert [len(json.loads(request.body)["decisions"]) for request in receiver.requests] == [4, 4, 2]
    assert sorted(receiver.ids) == with_revision(ids)
    deliver(ws, 10)
    assert send_due(ws, NOW, receiver).waiting == 0
    assert len(receiver.requests) == 3


def test_a_request_carries_the_row_and_a_signature_of_each_secret(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ["the-new-secret-is-long-enough", "the-old-secret-is-long-enough"]
    monkeypatch.setenv("HOOK_SECRET", " ".join(secrets))
    deliver(ws, 1)
    receiver = Receiver()
    send_due(ws, NOW, receiver)
    (request,) = receiver.requests
    headers = request.headers
    expected = [
        sign(s.encode(), headers["webhook-id"], int(headers["webhook-timestamp"]), request.body) for s in secrets
    ]
    assert headers["webhook-signature"].split() == expected
    (decision,) = receiver.decisions
    (row,) = read_deliveries(ws, "live")
    assert decision == {
        "id": f"{row.decision_id}:0",
        **{name: f"{c.isoformat()}Z" if isinstance(c, datetime) else c for name, c in asdict(row).items()},
    }


def test_the_replay_is_never_sent(ws: Workspace) -> None:
    deliver(ws, 3, "replay")
    assert count_decisions(ws).waiting == 0


def test_an_answer_is_sent_as_a_revision_and_replaces_what_waits(ws: Workspace) -> None:
    first, second = deliver(ws, 2)
    receiver = Receiver()
    answer(ws, first, "wait", 1)
    send_due(ws, NOW, receiver)
    assert sorted(receiver.ids) == [f"{first}:1", f"{second}:0"]
    answer(ws, second, "wait", 1)
    send_due(ws, NOW, receiver)
    assert receiver.ids[-1] == f"{second}:1" and receiver.decisions[-1]["action"] == "wait"


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
def test_a_failed_batch_waits_longer_each_time_and_is_sent_again(ws: Workspace, status: int) -> None:
    ids, receiver = deliver(ws, 6), Receiver(status, status)
    assert send_due(ws, NOW, receiver).waiting == 6
    assert len(receiver.requests) == 1  # the other batch waits as well
    send_due(ws, NOW + timedelta(seconds=59), Receiver(200))
    counts = send_due(ws, NOW + timedelta(minutes=1), receiver)
    assert (counts.waiting, counts.attempts) == (4, 2)
    assert send_due(ws, NOW + timedelta(minutes=2, seconds=59), receiver).waiting == 4
    assert send_due(ws, NOW + timedelta(minutes=3), receiver).sent == len(ids)


def test_decisions_that_fail_too_often_are_kept_reported_and_can_be_sent_again(ws: Workspace) -> None:
    ids, refusing, time = deliver(ws, 2), Receiver(*[500] * MOST_ATTEMPTS), NOW
    for _ in range(MOST_ATTEMPTS):
        counts = send_due(ws, time, refusing)
        time += timedelta(hours=6)
    assert (counts.waiting, counts.failed, counts.problem) == (0, 2, "answered with the status 500")
    (alert,) = find_failing_webhook("calls", counts)
    assert "answered with the status 500" in alert.text and "2 decisions" in alert.text
    receiver = Receiver()
    send_due(ws, time, receiver)
    assert not receiver.requests
    assert retry(ws, time) == 2
    assert send_due(ws, time, receiver).failed == 0
    assert receiver.ids == with_revision(ids)


def test_the_alert_comes_with_the_second_failure_and_ends(ws: Workspace) -> None:
    deliver(ws, 1)
    receiver = Receiver(500, 500)
    kinds = [
        [alert.kind for alert in find_failing_webhook("calls", send_due(ws, NOW + timedelta(hours=hour), receiver))]
        for hour in range(3)
    ]
    assert kinds == [[], ["webhook fails"], []]


def test_one_refused_decision_does_not_stop_the_others(ws: Workspace) -> None:
    ids = deliver(ws, 10)
    receiver = Receiver(poison=ids[5])
    counts = send_due(ws, NOW, receiver)
    assert (counts.sent, counts.waiting, counts.problem) == (9, 1, "answered with the status 422")
    assert sorted(receiver.ids) == with_revision([name for name in ids if name != ids[5]])


def test_a_killed_sender_sends_the_same_ids_again(ws: Workspace) -> None:
    """The receiver stored a batch, but the process was killed before it recorded that."""
    ids, receiver = deliver(ws, 6), Receiver()

    def kill_after_first_answer(request: Request) -> Reply:
        receiver(request)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_due(ws, NOW, kill_after_first_answer)
    assert send_due(ws, NOW, receiver).sent == 6
    assert len(receiver.ids) == 10 and sorted(set(receiver.ids)) == with_revision(ids)
    assert receiver.requests[0].headers["webhook-id"] == receiver.requests[1].headers["webhook-id"]


def test_the_outbox_works_on_postgresql(ws: Workspace, postgres: Postgres) -> None:
    ws = Workspace(ws.use_case, ws.home, postgres.database())
    ids, receiver = deliver(ws, 6), Receiver(500)
    answer(ws, ids[0], "wait", 1)
    assert send_due(ws, NOW, receiver).attempts == 1
    assert retry(ws, NOW) == 6  # the first revision of the answered decision was dropped when it was due
    assert send_due(ws, NOW, receiver).sent == 6
    assert sorted(receiver.ids) == sorted([f"{ids[0]}:1", *with_revision(ids[1:])])
    delete_delivered(ws, "live", [DAY])
    assert count_decisions(ws).sent == 0


def test_rows_whose_retention_has_ended_are_not_sent(ws: Workspace) -> None:
    deliver(ws, 3)
    delete_delivered(ws, "live", [DAY])
    assert count_decisions(ws).waiting == 0


@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("", SECRET, "HOOK_URL holds no https address"),
        ("http://ops.example/hook", SECRET, "HOOK_URL holds no https address"),
        ("https://169.254.169.254/latest", SECRET, "HOOK_URL holds a link-local address"),
        (URL, "", "HOOK_SECRET holds no secret"),
        (URL, "short", "HOOK_SECRET holds no secret"),
        (URL, "whsec_not base64 at all".replace(" ", "*"), "isn't base64|holds no secret"),
    ],
)
def test_wrong_settings_are_named_without_their_contents(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, url: str, secret: str, reason: str
) -> None:
    monkeypatch.setenv("HOOK_URL", url)
    monkeypatch.setenv("HOOK_SECRET", secret)
    deliver(ws, 1)
    with pytest.raises(WebhookError, match=reason) as error:
        send_due(ws, NOW, Receiver())
    assert not url or url not in str(error.value)
    assert count_decisions(ws).waiting == 1


@pytest.mark.parametrize("status", [204, 302, 503])
def test_a_real_server_gets_the_bytes_that_were_signed(status: int) -> None:
    with running_receiver(status) as (url, bodies):
        reply = post(Request(url, {"webhook-id": "1"}, '{"a": "ü"}'.encode()))
    assert (reply.status, reply.is_confirmed, reply.wait.seconds) == (status, status == 204, 90)
    assert bodies == ['{"a": "ü"}'.encode()]


def test_a_server_that_is_gone_is_a_problem_without_its_address() -> None:
    with running_receiver(204) as (url, _):
        pass
    assert str(post(Request(f"{url}?token=geheim", {}, b"{}"))) == "didn't answer (ConnectionError)"
