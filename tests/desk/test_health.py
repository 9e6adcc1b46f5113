"""`/healthz` of the desk: programs learn without a log-in whether it works, and nothing else."""

from __future__ import annotations

from desk.tables import ACCOUNTS
from tests.desk.conftest import RunningDesk


def test_the_desk_is_healthy_while_its_database_answers(desk: RunningDesk) -> None:
    client = desk.client()
    healthy = client.get("/healthz")
    assert (healthy.status_code, healthy.json()) == (200, {"ok": True, "problems": []})
    assert not healthy.cookies and client.head("/healthz").status_code == 200
    ACCOUNTS.drop(desk.database)
    broken = client.get("/healthz")
    assert (broken.status_code, broken.json()["problems"]) == (503, ["the database of the desk can't be read"])


def test_another_website_does_not_learn_whether_the_desk_works(desk: RunningDesk) -> None:
    assert desk.client().get("/healthz", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
