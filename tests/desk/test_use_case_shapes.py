"""Every page opens for every shape of use case: each type of key and KPI, with open outcomes, and in an empty home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from desk.roles import PAGES_OF_ROLE
from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import StoredDecision, decisions_dataset, read_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.explanations import explain_decisions
from sixtyforty.decisions.provenance import trace_decision
from sixtyforty.decisions.review_queue import queue_reviews
from sixtyforty.spec.cross_checks import require_consistent
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.sql import identifiers
from sixtyforty.workspace import Workspace
from tests.desk.conftest import RunningDesk, shown_ids, visible_text
from tests.helpers import DECLARED, csv_text, land_extract, merge, publish_landed_days, put_champion_in_force

FIRST = date(2024, 5, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(9)]
DECIDED = [str(day) for day in DAYS[-2:]]  # the outcomes of the last day are open
UNITS = 8  # units of a day


@dataclass(frozen=True)
class Shape:
    """A use case to open pages of: the columns of its key, the key of the unit with a number, and other fields."""

    key: dict[str, str]
    values: Callable[[int], list[str]]
    fields: dict[str, Any] = field(default_factory=dict)
    action: str = "case when load > 0.7 then 'act' else 'wait' end"


BIGINT = Shape({"id": "BIGINT"}, lambda n: [str(9_007_199_254_740_993 + n)])
DECIMAL = Shape({"id": "DECIMAL(12,2)"}, lambda n: [f"{n}.10"])
DATE = Shape({"day": "DATE"}, lambda n: [str(FIRST + timedelta(days=n))])
TIMESTAMP = Shape({"slot": "TIMESTAMP"}, lambda n: [str(datetime(2024, 1, 1, 12, 0, 0, n + 1))])
TEXT = Shape({"id": "VARCHAR"}, lambda n: [f"Straße {n}/Köln Süd <b>'&"])
REGRESSOR = {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor"}
NUMBER = {"outcome_type": "number"}
REVIEW = {"reviewers": {"ann": 9}, "minutes_per_review": 5, "abstain_below": 9}
TREATMENT = {"column": "received", "shares": {"wait": 0.5, "act": 0.5}, "value_per_outcome": 5}
STAFF = {"description": "fitters on call", "shortage_cost": 60, "excess_cost": 20}
SHAPES = {
    "BIGINT": BIGINT,
    "SMALLINT": Shape({"id": "SMALLINT"}, lambda n: [str(n)]),
    "DECIMAL": DECIMAL,
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMP of tenths": Shape(TIMESTAMP.key, lambda n: [f"2024-01-01 12:00:{n % 60:02}.{n // 60 + 1}"]),
    "TIME": Shape({"slot": "TIME"}, lambda n: [f"{n // 4:02}:{n % 4 * 15:02}:00"]),
    "VARCHAR": TEXT,
    "two columns": Shape({"Depot Süd": "VARCHAR", "day": "DATE"}, lambda n: ["ä/ö", str(FIRST + timedelta(days=n))]),
    "a boolean column": Shape({"id": "INTEGER", "spare": "BOOLEAN"}, lambda n: [str(n), str(n % 2 == 0).lower()]),
    "reasons": Shape(
        BIGINT.key,
        BIGINT.values,
        {"model": {"reasons": {"load": "the load is {value:.0%}", "kind": "its kind is {value:.1f}"}}},
    ),
    "a list": Shape(
        TIMESTAMP.key,
        TIMESTAMP.values,
        {
            "decision_list": {
                "label": "'slot ' || slot",
                "show": {"seen": "seen_at", "kind": "kind", "day": "seen_at::date", "much": "load > 0.5"},
                "sort": "seen",
                "filter": ["seen", "kind"],
            }
        },
    ),
    "a review": Shape(DATE.key, DATE.values, {"people": {"review": REVIEW}}),
    "a ranking": Shape(
        TEXT.key,
        TEXT.values,
        {
            "kpi": NUMBER | {"actions": {"act": {"limit": 2, "use_full_limit": True}}},
            "model": REGRESSOR | {"reasons": {"load": "the load is {value}"}},
        },
    ),
    "an amount": Shape(
        DECIMAL.key, DECIMAL.values, {"kpi": NUMBER | {"actions": None, "amount": STAFF}, "model": REGRESSOR}, "2"
    ),
    "a past experiment": Shape(
        TIMESTAMP.key, TIMESTAMP.values, {"kpi": {"measurement": "randomized", "treatment": TREATMENT}}
    ),
    "unknown costs": Shape(
        DATE.key, DATE.values, {"kpi": {"actions": {"act": {"cost": "case when load < 0.5 then 3 end"}}}}
    ),
}


def make_home(folder: Path, shape: Shape) -> Workspace:
    """Return the workspace of a use case of a shape, without any extract."""
    source = {"description": "Orders.", "key": list(shape.key), "partition": "seen_at::date", "known_at": "seen_at"}
    units = shape.key | {"seen_at": "TIMESTAMP", "load": "DOUBLE", "kind": "VARCHAR"}
    results = shape.key | {"seen_at": "TIMESTAMP", "late": "INTEGER", "received": "VARCHAR"}
    own = {
        "timezone": "UTC",
        "partitions": {"start": str(FIRST), "end": "2024-12-31"},
        "sources": {
            "orders": source | {"files": "orders_*.csv", "columns": units},
            "results": source | {"files": "results_*.csv", "columns": results},
        },
        "decision": {"unit_source": "orders", "key": list(shape.key), "decided_at": "seen_at"},
        "replay": {"first_day": DECIDED[0]},
    }
    declared = merge({name: part for name, part in DECLARED.items() if name not in own} | own, shape.fields)
    declared["model"]["categorical"] = ["kind"]
    declared["kpi"] = {name: part for name, part in declared["kpi"].items() if part is not None}
    key = identifiers(shape.key)
    received = ", r.received" if declared["kpi"].get("treatment") else ""
    sql = {
        "features": f"select {key}, load, kind from units",
        "current_process": f"select {key}, {shape.action} as action from units",
        "outcomes": f"select {key}, r.late{received}, r.seen_at as known_at"
        f" from units left join results r using ({key})",
    }
    (folder / "use_case").mkdir(parents=True)
    for stage, text in sql.items():
        (folder / "use_case" / f"{stage}.sql").write_text(text)
    use_case = require_consistent(UseCase(**declared, folder=folder / "use_case"))
    return Workspace(use_case, folder, f"sqlite:///{folder / 'desk.db'}")


def land_orders(ws: Workspace, shape: Shape) -> None:
    """Land the orders of all days, and the results of all days but the last."""
    for day_number, day in enumerate(DAYS):
        orders, results = [], []
        for n in range(UNITS):
            number, load = day_number * UNITS + n, (n * 37 % 100) / 100
            key, at = shape.values(number), datetime(day.year, day.month, day.day, 8 + n)
            orders.append([*key, at, load, ["dry", "wet"][n % 2]])
            results.append([*key, at + timedelta(hours=2), int(load > 0.5), ["wait", "act"][number % 2]])
        land_extract(ws.landing, f"orders_{day}.csv", csv_text(vars(ws.use_case.sources["orders"]), orders))
        if day != DAYS[-1]:
            land_extract(ws.landing, f"results_{day}.csv", csv_text(vars(ws.use_case.sources["results"]), results))


@pytest.fixture(scope="module", params=SHAPES)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home with two days of decisions by a model. The outcomes of the last day are open."""
    shape = SHAPES[request.param]
    ws = make_home(tmp_path_factory.mktemp("filled"), shape)
    land_orders(ws, shape)
    publish_landed_days(ws, [str(day) for day in DAYS])
    put_champion_in_force(ws, DAYS[-2])
    take_decisions(ws, DECIDED, "replay", None)
    if ws.use_case.people.review:
        queue_reviews(ws, DECIDED, "replay")
    kpi_ledger.write_accounts(ws, DECIDED, "replay")
    deliver_decisions(ws, ws.lake.entries(decisions_dataset("replay"), DECIDED), "replay")
    return ws


@pytest.fixture(scope="module")
def filled_desk(filled: Workspace) -> Iterator[RunningDesk]:
    desk = RunningDesk({filled.use_case.name: filled})
    desk.add_accounts(*PAGES_OF_ROLE)
    yield desk
    desk.stop()


def all_decisions(ws: Workspace) -> list[StoredDecision]:
    return [decision for partition in DECIDED for decision in read_decisions(ws, partition, "replay")]


def test_every_page_of_every_role_opens(filled_desk: RunningDesk) -> None:
    for role, addresses in PAGES_OF_ROLE.items():
        person = filled_desk.person(role)
        for address in addresses:
            expected = (200, 404) if address in ("/review", "/record") else (200,)  # these may have nothing to show
            assert person.get(address).status_code in expected, (role, address)


def test_the_decider_sees_and_answers_every_decision(filled: Workspace, filled_desk: RunningDesk) -> None:
    decider, decisions = filled_desk.person("decider"), all_decisions(filled)
    assert len(decisions) == 2 * UNITS
    assert any(decision.decided_by == "model" for decision in decisions)
    for partition in DECIDED:
        address = f"/decisions?show=all&date={partition}"
        page = decider.get(address).text
        of_partition = {d.decision_id: d for d in read_decisions(filled, partition, "replay")}
        ids = set(of_partition)
        assert set(shown_ids(page)) == ids
        assert ("(current process: " in page) == bool(filled.use_case.kpi.amount)  # where a person types a number
        assert all(str(value) in visible_text(page) for value in of_partition[min(ids)].unit.values())
        assert decider.accept(min(ids), address).status_code == 303


def test_a_decision_is_found_by_each_word_of_its_unit(filled: Workspace, filled_desk: RunningDesk) -> None:
    decider, auditor = filled_desk.person("decider"), filled_desk.person("auditor")
    for decision in all_decisions(filled)[:: UNITS - 1]:
        words = quote(" ".join(map(str, decision.unit.values())))
        day = decision.decision_id[len("replay-") :][:10]
        listed = decider.get(f"/decisions?show=all&date={day}&q={words}").text
        assert decision.decision_id in shown_ids(listed)
        assert decision.decision_id in auditor.get(f"/trace?q={words}").text


def test_every_decision_is_traced_and_explained(filled: Workspace, filled_desk: RunningDesk) -> None:
    auditor = filled_desk.person("auditor")
    for decision in all_decisions(filled)[:: UNITS - 1]:
        trace = trace_decision(filled, decision.decision_id)
        is_open = decision.decision_id.startswith(f"replay-{DECIDED[1]}")
        assert trace.outcome
        assert (trace.outcome.known_at is None) == is_open
        assert trace.features
        assert trace.delivery
        text = visible_text(auditor.get(f"/trace?id={decision.decision_id}").text)
        assert ("The outcome isn't known yet" in text) == is_open
    for partition in DECIDED:
        ids = [d.decision_id for d in read_decisions(filled, partition, "replay")]
        sentences = explain_decisions(filled, partition, "replay", ids)
        assert list(sentences) == ids
        assert not any("nan" in sentence for of_one in sentences.values() for sentence in of_one)


@pytest.mark.parametrize("name", ["BIGINT", "a review", "an amount", "a past experiment"])
def test_every_page_of_an_empty_home_opens_or_says_what_comes_next(tmp_path: Path, name: str) -> None:
    ws = make_home(tmp_path, SHAPES[name])
    desk = RunningDesk({ws.use_case.name: ws})
    try:
        desk.add_accounts(*PAGES_OF_ROLE)
        for role, addresses in PAGES_OF_ROLE.items():
            person = desk.person(role)
            for address in addresses:
                page = person.get(address)
                assert page.status_code in (200, 404), (role, address)
                assert "Something went wrong" not in page.text
    finally:
        desk.stop()
