"""Who gets in, who may do what, and what keeps others out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import accounts, passwords, sessions, tables
from desk.accounts import AccountError
from desk.login import FREE, REMEMBERED, Refused, log_in
from desk.roles import MAY, PAGES
from desk.sessions import IDLE, MINUTE, WHOLE
from desk.web import LARGEST
from sixtyforty.decisions.responses import of
from sixtyforty.workspace import Workspace
from tests.desk.conftest import PASSWORD, Person, Running, csrf, shown
from tests.postgres import Postgres

NOW = datetime(2013, 3, 14, 12)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'new' / 'desk.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    found = tables.engine(url)
    tables.prepare(found)
    yield found
    found.dispose()


# --- passwords and accounts


def test_a_password_is_kept_so_that_nobody_reads_it(database: sa.Engine) -> None:
    assert accounts.put(database, "ann", "decider", PASSWORD)
    accounts.put(database, "bo", "decider", PASSWORD)
    with database.connect() as connection:
        kept = connection.scalars(sa.select(tables.ACCOUNTS.c.password)).all()
    assert len(set(kept)) == 2  # a salt each
    assert all(PASSWORD not in k and passwords.matches(PASSWORD, k) for k in kept)
    assert not passwords.matches(PASSWORD + " ", kept[0])


def test_a_password_costs_no_less_than_owasp_advises(real_cost: tuple[int, int, int]) -> None:
    n, r, p = real_cost
    assert r >= 8 and p >= {2**17: 1, 2**16: 2, 2**15: 3, 2**14: 5, 2**13: 10}[n]


def test_who_has_no_account_is_refused_at_the_same_cost(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[tuple[int, ...]] = []
    real = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda p, s, *cost: spent.append(cost) or real(p, s, *cost))
    accounts.put(database, "ann", "decider", PASSWORD)
    told = []
    for name in ("ann", "nobody"):
        with pytest.raises(Refused) as refused:
            log_in(database, name, "a wrong one", "here", NOW)
        told.append((f"{refused.value}", refused.value.wait))
    assert told[0] == told[1]
    assert spent[-1] == spent[-2]


def test_the_same_command_changes_an_account_and_ends_its_sessions(database: sa.Engine) -> None:
    accounts.put(database, "Ann", "decider", PASSWORD)
    token = log_in(database, " ANN ", PASSWORD, "here", NOW)
    assert not accounts.put(database, "ann", "owner", PASSWORD + "!")
    assert sessions.find(database, token, NOW) is None
    with pytest.raises(Refused):
        log_in(database, "ann", PASSWORD, "here", NOW)
    again = sessions.find(database, log_in(database, "ann", PASSWORD + "!", "here", NOW), NOW)
    assert again is not None and (again.person, again.role) == ("ann", "owner")
    accounts.remove(database, "ann")
    assert sessions.find(database, again.token, NOW) is None
    with pytest.raises(AccountError, match="there is no account 'ann'"):
        accounts.remove(database, "ann")


@pytest.mark.parametrize(
    ("name", "role", "password", "said"),
    [
        ("", "owner", PASSWORD, "can't be an account's name"),
        ("a b", "owner", PASSWORD, "can't be an account's name"),
        ("<b>", "owner", PASSWORD, "can't be an account's name"),
        ("ann", "root", PASSWORD, "there are: decider, expert, owner, auditor"),
        ("ann", "owner", "short", "12 to 256 characters; this one has 5"),
        ("ann", "owner", "x" * 257, "12 to 256"),
    ],
)
def test_an_account_that_cannot_be_is_not_made(tmp_path: Path, name: str, role: str, password: str, said: str) -> None:
    database = tables.engine(f"sqlite:///{tmp_path / 'desk.db'}")
    tables.prepare(database)
    with pytest.raises(AccountError, match=said):
        accounts.put(database, name, role, password)


def test_the_first_accounts_are_one_a_role_with_passwords_of_their_own(database: sa.Engine) -> None:
    made = accounts.first(database)
    assert list(made) == list(MAY)
    assert len(set(made.values())) == len(made)
    for role, password in made.items():
        found = sessions.find(database, log_in(database, role, password, "here", NOW), NOW)
        assert found is not None and found.role == role


# --- guessing


def guess(database: sa.Engine, name: str, now: datetime, address: str = "here", password: str = "a wrong one") -> float:
    """How long to wait for the next try; 0 where this one was looked at."""
    with pytest.raises(Refused) as refused:
        log_in(database, name, password, address, now)
    return refused.value.wait


def test_guessing_gets_slower_and_slower(database: sa.Engine) -> None:
    accounts.put(database, "ann", "decider", PASSWORD)
    for _ in range(FREE["account"]):
        assert guess(database, "ann", NOW) == 0
    waits, now = [], NOW
    for _ in range(9):
        waits.append(guess(database, "ann", now))
        assert guess(database, "ann", now, password=PASSWORD) == waits[-1]  # not even the right one is looked at
        now += timedelta(seconds=waits[-1])
        assert guess(database, "ann", now) == 0
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_who_logs_in_starts_afresh_and_an_hour_is_forgiven(database: sa.Engine) -> None:
    accounts.put(database, "ann", "decider", PASSWORD)
    for _ in range(3):
        for _ in range(FREE["account"] - 1):
            guess(database, "ann", NOW)
        log_in(database, "ann", PASSWORD, "here", NOW)
    for _ in range(FREE["account"]):
        guess(database, "ann", NOW)
    assert guess(database, "ann", NOW) > 0
    assert log_in(database, "ann", PASSWORD, "here", NOW + REMEMBERED)


def test_an_address_is_slowed_down_whatever_names_it_tries(database: sa.Engine) -> None:
    for i in range(FREE["address"]):
        assert guess(database, f"name{i}", NOW, "there") == 0
    assert guess(database, "another", NOW, "there") == 10
    assert guess(database, "another", NOW, "elsewhere") == 0


def test_many_guesses_at_once_are_no_way_round(database: sa.Engine) -> None:
    accounts.put(database, "ann", "decider", PASSWORD)
    with ThreadPoolExecutor(20) as pool:
        waits = list(pool.map(lambda i: guess(database, "ann", NOW, f"{i}"), range(20)))
    assert waits.count(0) == FREE["account"]


# --- sessions


def test_a_session_ends_when_idle_and_in_any_case_after_a_shift(database: sa.Engine) -> None:
    accounts.put(database, "ann", "decider", PASSWORD)
    token = log_in(database, "ann", PASSWORD, "here", NOW)
    assert sessions.find(database, token, NOW + IDLE - MINUTE)  # which counts as use
    assert sessions.find(database, token, NOW + 2 * IDLE - 2 * MINUTE)
    assert sessions.find(database, token, NOW + 3 * IDLE) is None
    token, now = log_in(database, "ann", PASSWORD, "here", NOW), NOW
    while now + IDLE / 2 < NOW + WHOLE:
        now += IDLE / 2
        assert sessions.find(database, token, now)
    assert sessions.find(database, token, NOW + WHOLE) is None
    log_in(database, "ann", PASSWORD, "here", NOW + WHOLE)
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.SESSIONS)) == 1  # the others are gone


def test_the_table_of_sessions_lets_nobody_in(database: sa.Engine) -> None:
    accounts.put(database, "ann", "decider", PASSWORD)
    token = log_in(database, "ann", PASSWORD, "here", NOW)
    with database.connect() as connection:
        kept = connection.scalars(sa.select(tables.SESSIONS.c.token)).one()
    assert kept != token
    assert sessions.find(database, kept, NOW) is None


# --- the door


def test_the_log_in_is_shown_and_all_else_leads_to_it(desk: Running) -> None:
    client = desk.client()
    page = client.get("/")
    assert page.status_code == 200
    assert "<h1>Log in</h1>" in page.text
    for address in [*PAGES, "/impact/picture", "/logout", "/nothing", "/review/../../etc", "/decisions/"]:
        for answer in (client.get(address), client.post(address, data={"csrf": csrf(page.text)})):
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), address


def test_logging_in_leads_to_ones_page_with_a_new_token_and_logging_out_ends_it(desk: Running) -> None:
    for role, pages in MAY.items():
        client = desk.client()
        client.get("/")
        before = client.cookies["desk"]
        assert Person(client).log_in(role).status_code == 303
        token = client.cookies["desk"]
        assert token != before
        assert client.get("/").headers["location"] == pages[0]
        page = client.get(pages[0])
        assert page.status_code == 200
        assert client.get("/logout").headers["location"] == "/"  # a link can't log anybody out
        assert client.get(pages[0]).status_code == 200
        assert client.post("/logout", data={"csrf": csrf(page.text)}).headers["location"] == "/"
        assert "desk" not in client.cookies
        assert desk.holding(token).get(pages[0]).headers["location"] == "/"


def test_who_logs_in_as_another_leaves_nothing_behind(desk: Running) -> None:
    client = desk.person("decider").client
    token, page = client.cookies["desk"], client.get("/decisions").text
    again = client.post("/", data={"csrf": csrf(page), "name": "owner", "password": PASSWORD})
    assert again.status_code == 303
    assert client.get("/").headers["location"] == "/impact"
    assert desk.holding(token).get("/decisions").headers["location"] == "/"


def test_a_wrong_password_says_only_that(desk: Running) -> None:
    one = Person(desk.client())
    for name in ("decider", "nobody", "<script>alert(1)</script>"):
        page = one.log_in(name, "a wrong one")
        assert page.status_code == 401
        assert "The name or the password is wrong." in page.text
        assert "<script>alert" not in page.text
    for _ in range(FREE["account"] - 1):
        assert one.log_in("decider", "a wrong one").status_code == 401
    page = one.log_in("decider")
    assert (page.status_code, page.headers["retry-after"]) == (429, "10")
    assert "Please wait 10 seconds" in page.text


def test_the_cookie_and_the_headers_keep_others_out(desk: Running) -> None:
    cookie = desk.client().get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    client = desk.person("decider").client
    for address in ("/", "/decisions", "/impact", "/static/desk.css", "/static/nothing", "/static/../roles.py"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';") and "frame-ancestors 'none'" in policy, address
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_name_that_is_made_to_lead_here_gets_nothing(ws: Workspace, desk: Running) -> None:
    client = desk.client()
    for host in ("evil.example", "evil.example:3002", "127.0.0.1.evil.example", "desk.example", ""):
        assert client.get("/", headers={"Host": host}).status_code == 400, host
    assert client.get("/", headers={"Host": "localhost:3002"}).status_code == 200
    proxied = Running({ws.use_case.name: ws}, host="desk.example", secure=True)
    page = proxied.client().get("/", headers={"Host": "desk.example"})
    assert page.status_code == 200
    assert "Secure" in page.headers["set-cookie"]
    proxied.stop()


def test_what_breaks_is_said_without_its_insides(desk: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the insides")

    client = desk.person("decider").client
    monkeypatch.setattr("desk.day.decisions_of", broken)
    page = client.get("/decisions")
    assert page.status_code == 500
    assert "Something went wrong" in page.text and "insides" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self';")


# --- forms


def test_a_form_from_elsewhere_does_nothing(desk: Running) -> None:
    client, other = desk.person("decider").client, desk.person("expert").client
    page = client.get("/decisions").text
    form = {"decision_id": shown(page)[0], "event": "accepted"}
    for forged in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}, {"csrf": csrf(other.get("/review").text)}):
        answer = client.post("/decisions", data=form | forged)
        assert answer.status_code == 403
        assert "out of date" in answer.text
    assert [r.event for r in of(desk.ws, form["decision_id"])] == ["seen"]
    stranger = desk.client()  # the log-in, too, takes only the form that it gave to this browser
    stranger.get("/")
    answer = stranger.post("/", data={"name": "decider", "password": PASSWORD, "csrf": csrf(page)})
    assert answer.status_code == 403
    assert stranger.get("/decisions").headers["location"] == "/"


@pytest.mark.parametrize(
    ("body", "status"), [(b"a=" + b"x" * LARGEST, 413), (b"\xff\xfe", 400), (b"&".join([b"a=b"] * 60), 400)]
)
def test_what_is_no_form_of_the_desk_is_refused(desk: Running, body: bytes, status: int) -> None:
    client = desk.person("decider").client
    for address in ("/", "/decisions"):
        answer = client.post(address, content=body)
        assert answer.status_code == status
        assert "Nothing was done" in answer.text


# --- roles


def test_each_role_has_its_pages_and_no_others(desk: Running) -> None:
    for role, mine in MAY.items():
        client = desk.person(role).client
        for address in [*PAGES, "/impact/picture?name=cumulative"]:
            answer = client.get(address)
            assert (answer.status_code == 403) == (address.split("/picture")[0] not in mine), (role, address)
            assert ("This page isn&#39;t yours" in answer.text) == (answer.status_code == 403)
            assert client.post(address, data={"csrf": csrf(client.get(mine[0]).text)}).status_code >= 400
        menu = client.get(mine[0]).text
        assert [a for a in PAGES if f'<a href="{a}' in menu] == [a for a in PAGES if a in mine]


def test_nobody_acts_as_another(desk: Running) -> None:
    client = desk.person("decider").client
    page = client.get("/decisions?show=all").text
    form = {
        "csrf": csrf(page),
        "decision_id": shown(page)[0],
        "event": "accepted",
        "person": "expert",
        "role": "expert",
        "at": "2001-01-01",
        "simulated": "true",
    }
    assert client.post("/decisions?show=all&person=expert", data=form).status_code == 303
    answer = of(desk.ws, form["decision_id"])[-1]
    assert (answer.event, answer.person, answer.role, answer.simulated) == ("accepted", "decider", "decider", False)
    assert answer.at is not None and answer.at.year > 2001


@pytest.mark.e2e
def test_the_desk_on_postgresql(home: Workspace, postgres: Postgres) -> None:
    one = Running({"calls": Workspace(home.use_case, home.home, postgres.database())})
    one.account(*MAY)
    decider, expert = one.person("decider"), one.person("expert")
    ids = shown(decider.get("/decisions?show=all").text)
    assert decider.accept(ids[0]).status_code == 303
    queued = shown(expert.get("/review").text)
    assert expert.override(queued[0], "act", "I know <i>better</i>", "/review").status_code == 303
    assert "I know &lt;i&gt;better&lt;/i&gt;" in expert.get("/review").text
    assert decider.accept(ids[0]).status_code == 409
    assert [r.event for r in of(one.ws, ids[0])] == ["seen", "accepted"]
    one.stop()


def test_a_role_that_is_taken_away_is_gone_at_once(desk: Running) -> None:
    client = desk.person("owner").client
    assert client.get("/impact").status_code == 200
    mine = tables.ACCOUNTS.c.name == "owner"
    with desk.database.begin() as connection:
        connection.execute(sa.update(tables.ACCOUNTS).where(mine).values(role="decider"))
    assert client.get("/impact").status_code == 403
