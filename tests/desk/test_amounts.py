"""Where the action is a number: it is shown as one, and another one can be said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from desk import tables
from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import decide, decisions_of
from sixtyforty.reports import model_record
from sixtyforty.reports.digests import ROLES
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.desk.conftest import Running, answered
from tests.desk.test_pages import section, text
from tests.helpers import DECLARED, crown, make_use_case, merged, publish

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
P = DAYS[-1].isoformat()
AMOUNT = {"description": "fitters on call", "shortage_cost": 60, "excess_cost": 20, "maximum": 9}
CHANGES = {
    "kpi": {"outcome_type": "number", "outcome_name": "fitters needed", "amount": AMOUNT},
    "model": {
        "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
        "params": {"loss": "quantile", "max_iter": 20, "min_samples_leaf": 5, "early_stopping": False},
        "reasons": {"load": "The load is {value:.0%}"},
    },
}


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A day of which is decided how many fitters each call needs: one, or four where it is busy."""
    home = tmp_path_factory.mktemp("staffed")
    folder = make_use_case(home / "use_case").folder
    (folder / "current_process.sql").write_text("select id, 2 as action from units")
    (folder / "outcomes.sql").write_text(
        "select u.id, 1 + 3 * v.late as late, v.known_at from units u left join visits v using (id)"
    )
    declared = merged(DECLARED, CHANGES)
    del declared["kpi"]["actions"]
    ws = Workspace(UseCase(**declared, folder=folder), home, f"sqlite:///{home / 'desk.db'}")
    publish(ws, DAYS, count=60)
    crown(ws, DAYS[-1])
    decide(ws, [P], "replay", None)
    kpi_ledger.account(ws, [P], "replay")
    return ws


@pytest.fixture
def desk(staffed: Workspace) -> Iterator[Running]:
    tables.prepare(tables.engine(staffed.database_url))
    one = Running({staffed.use_case.name: staffed})
    one.account("decider", "auditor", "owner")
    yield one
    one.stop()


def test_the_quantile_is_staffed_and_pays(staffed: Workspace) -> None:
    assert {d["action"] for d in decisions_of(staffed, P, "replay")} <= {"1", "4"}
    (day,) = kpi_ledger.days(staffed, "replay")
    # two for each call: 20 too many where one is needed, 120 too few where four are
    late = sum(int(i * 37 % 100 > 50) for i in range(60))
    assert day.current_process == -20 * (60 - late) - 120 * late
    assert day.model > day.current_process
    assert day.perfect_foresight == 0
    assert kpi_ledger.audit(staffed, "replay", [P]) == []


def test_a_number_is_shown_and_another_may_be_answered(desk: Running) -> None:
    decider = desk.person("decider")
    decision = decisions_of(desk.ws, P, "replay")[0]
    page = decider.get("/decisions?show=all").text
    assert f"{decision['action']} fitters on call" in section(page, decision["decision_id"])
    assert "fitters needed" in section(page, decision["decision_id"])
    assert 'type="number"' in page
    said = decider.override(decision["decision_id"], "2.5", "half a fitter", "/decisions?show=all")
    assert "another whole number from 0 to 9" in text(said.text)
    decider.override(decision["decision_id"], "3", "a trainee comes along", "/decisions?show=all")
    assert answered(desk.ws, P)[decision["decision_id"]].action == "3"
    thread = text(desk.person("auditor").get(f"/thread?id={decision['decision_id']}").text)
    assert "2 fitters on call" in thread


def test_owners_and_digests_speak_of_it(staffed: Workspace, desk: Running) -> None:
    assert "Each of the fitters on call too few costs 60 EUR, each too many 20" in text(
        desk.person("owner").get("/impact").text
    )
    assert any("fitters on call: " in line for line in ROLES["decider"](staffed, "replay", [P]))
    assert "It chooses how many: fitters on call." in model_record.text(staffed, "replay")
