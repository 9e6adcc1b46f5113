"""Fifty people at the desk at once: nobody is turned away, nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from desk import tables
from sixtyforty.decisions.deciding import decisions_of
from sixtyforty.decisions.responses import log
from tests.desk.conftest import NO_TLS, PASSWORD, P, Running, csrf, shown

PEOPLE = 50
Row = dict[str, Any]  # a decision

pytestmark = pytest.mark.e2e


@dataclass
class Visit:
    """What one of them met with: the status of each answer, and of the one to what all of them want."""

    statuses: list[int] = field(default_factory=list)
    wanted: int = 0


async def visit(url: str, number: int, mine: Row, wanted: Row, ready: asyncio.Barrier) -> Visit:
    """Logs in, answers a decision of one's own and one that all want, when all others do; looks again, and leaves."""
    met, page = Visit(), "/decisions?show=all"
    async with httpx.AsyncClient(base_url=url, timeout=120, verify=NO_TLS) as client:

        async def send(address: str, **form: str) -> httpx.Response:
            answer = await (client.post(address, data=form) if form else client.get(address))
            met.statuses.append(answer.status_code)
            return answer

        token = csrf((await send("/")).text)
        await send("/", csrf=token, name=f"person{number}", password=PASSWORD)
        token = csrf((await send(page)).text)
        await ready.wait()
        for row in (mine, wanted):
            other = "wait" if row["action"] == "act" else "act"
            said = {"event": "accepted"} if number % 2 else {"event": "overridden", "reason": f"reason {number}"}
            answer = await send(page, csrf=token, decision_id=row["decision_id"], action=other, **said)
        met.wanted = answer.status_code
        assert mine["decision_id"] in shown((await send(page)).text)
        await send("/logout", csrf=token)
    return met


def test_fifty_at_once_lose_nothing(desk: Running) -> None:
    rows = decisions_of(desk.ws, P, "replay")
    desk.account(*(f"person{i}" for i in range(PEOPLE)), role="decider")

    async def all_at_once() -> list[Visit]:
        ready = asyncio.Barrier(PEOPLE)
        return await asyncio.gather(*(visit(desk.url, i, rows[i], rows[-1], ready) for i in range(PEOPLE)))

    began = time.perf_counter()
    visits = asyncio.run(all_at_once())
    took = time.perf_counter() - began

    statuses = Counter(s for v in visits for s in v.statuses)
    print(f"{statuses.total()} requests in {took:.1f} s: {dict(statuses)}")
    # each: log-in page, log-in, page, one's own answer, what all want, page, log-out
    assert statuses == {200: 3 * PEOPLE, 303: 3 * PEOPLE + 1, 409: PEOPLE - 1}
    assert Counter(v.wanted for v in visits) == {303: 1, 409: PEOPLE - 1}

    engine, table = log(desk.ws)
    with engine.connect() as connection:
        kept = connection.execute(sa.select(table.c["decision_id", "person", "event", "reason"])).all()
    answered = {r.decision_id: r for r in kept if r.event != "seen"}
    assert len(answered) == PEOPLE + 1 == sum(r.event != "seen" for r in kept)
    for i, row in enumerate(rows[:PEOPLE]):
        one = answered[row["decision_id"]]
        assert (one.person, one.reason) == (f"person{i}", None if i % 2 else f"reason {i}")
    seen = Counter((r.person, r.decision_id) for r in kept if r.event == "seen")
    assert len(seen) == seen.total() == PEOPLE * 50
    with desk.database.connect() as connection:
        assert not connection.execute(sa.select(tables.SESSIONS)).all()  # all have left
