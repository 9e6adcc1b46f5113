"""Build or buy: the better but dear vendor loses, the cheap equal one wins, what is held close is never given away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.accounting.build_or_buy import BUILD, NEITHER, Case, SourcingError, reckon
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.lifecycle.vendor_extracts import write_vendor_extract, gifts
from sixtyforty.spec.sourcing import Price, Sourcing
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, SITES, calls_of, crown, csv, land, make_workspace, merged, publish, span

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
KEYS = [d.isoformat() for d in DAYS]
ORACLE = {"description": "a vendor's numbers", "vendor": True, "expected_outcome": "load"}
DECLARED: dict[str, Any] = {
    "capability": "partly",
    "strategic": False,
    "why": "anybody can buy it",
    "remaining_build_cost": 1000,
    "months": 12,
    "discount": 0.1,
}


def bought(vendors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A use case that asks, with candidates for these vendors."""
    return {
        "sourcing": DECLARED | {"vendors": vendors} | changes,
        "kpi": {"candidates": dict.fromkeys(vendors, ORACLE), "costs": {"per_month": 50}},
    }


def lived(ws: Workspace, vendor: float, ours: float = 20.0, wobble: float = 0.0) -> Workspace:
    """55 days of 20 units: ours gains so much over the current process, the vendor so much, each day about."""
    for i, p in enumerate(span(date(2013, 4, 1), date(2013, 5, 25))):
        noise = (i * 7 % 11) - 5.0
        money = dict.fromkeys(ws.use_case.kpi.candidates, 40.0 + vendor + noise + wobble * (i * 5 % 11 - 5))
        day = DailyValue(p, 20, 40.0 + ours + noise, 40.0, 10.0, 90.0, 6, 4, 0, money)
        ws.lake.write("kpi/replay", p, _table(), facts=day.__dict__ | {"unknown": 0})
    return ws


def _table() -> Any:
    import pyarrow as pa

    return pa.table({"decisions": [20]})


def test_a_better_vendor_that_is_dear_loses_and_a_cheap_equal_one_wins(tmp_path):
    dear = lived(make_workspace(tmp_path / "a", **bought({"oracle": {"per_decision": 1.0}})), vendor=30)
    found = reckon(dear, "replay")
    ours, theirs = found["ways"]
    assert theirs["gain_per_1000"] == 1500 > ours["gain_per_1000"] == 1000
    assert found["verdict"] == BUILD
    cheap = lived(make_workspace(tmp_path / "b", **bought({"oracle": {"per_month": 5}})), vendor=19.9, wobble=1)
    found = reckon(cheap, "replay")
    ours, theirs = found["ways"]
    assert theirs["gain_per_1000"] < ours["gain_per_1000"]
    assert theirs["counted_as"] == ours["counted_as"]  # can't be told apart
    assert found["verdict"] == "oracle"
    assert "can't be told from ours; once either is paid for, it is worth more" in found["why"][0]


def test_the_money_is_that_of_a_sum_of_ones_own(tmp_path):
    ws = lived(
        make_workspace(tmp_path, **bought({"oracle": {"per_decision": 0.1, "once": 7}}, growth=0.2, scales=0.5)),
        vendor=30,
    )
    found = reckon(ws, "replay")
    units, ours, theirs = 20 * 365.25 / 12, -1000.0, -7.0
    for m in range(1, 13):
        grown, today = 1.2 ** (m / 12), 1.1 ** (-m / 12)
        ours += today * (units * grown * 1.0 - 50 * (1 + 0.5 * (grown - 1)))
        theirs += today * units * grown * (1.5 - 0.1)
    assert [w["worth"] for w in found["ways"]] == [pytest.approx(ours, abs=0.01), pytest.approx(theirs, abs=0.01)]
    assert found["units_a_month"] == round(units)
    tie = found["ways"][1]["bearable_per_decision"]
    even = bought({"oracle": {"per_decision": tie, "once": 7}}, growth=0.2, scales=0.5)
    at = reckon(lived(make_workspace(tmp_path / "tie", **even), vendor=30), "replay")["ways"]
    assert at[0]["worth"] == pytest.approx(at[1]["worth"], abs=2)


def test_what_is_held_close_is_not_bought_however_cheap(tmp_path):
    ws = lived(make_workspace(tmp_path, **bought({"oracle": {}}, strategic=True, why="our edge")), vendor=30)
    found = reckon(ws, "replay")
    assert (found["verdict"], found["why"][0]) == (BUILD, "It is held close, so it isn't bought: our edge")
    assert not any(s["verdict"] == "oracle" for s in found["sensitivity"])


def test_where_no_way_pays_the_current_process_stays(tmp_path):
    ws = lived(make_workspace(tmp_path, **bought({"oracle": {"per_month": 9000}}, remaining_build_cost=1e6)), vendor=30)
    found = reckon(ws, "replay")
    assert found["verdict"] == NEITHER
    assert {s["if"] for s in found["sensitivity"] if s["changes"]} == set()


def test_a_gain_that_is_not_proven_counts_as_none(tmp_path):
    ws = lived(make_workspace(tmp_path, **bought({"oracle": {}})), vendor=0.1, ours=0.1)
    assert [w["counted_as"] for w in reckon(ws, "replay")["ways"]] == [0.0, 0.0]


def test_what_would_change_the_verdict_is_told(tmp_path):
    ws = lived(make_workspace(tmp_path, **bought({"oracle": {"per_decision": 0.8}})), vendor=30)
    changes = {s["if"]: s["verdict"] for s in reckon(ws, "replay")["sensitivity"] if s["changes"]}
    assert changes == dict.fromkeys(
        ("vendors ask half", "building costs twice as much", "running costs twice as much"), "oracle"
    )


PRICES = st.builds(Price, per_decision=st.floats(0, 5), per_month=st.floats(0, 500), once=st.floats(0, 5000))


@given(PRICES, st.floats(0, 3), st.floats(1.01, 3))
def test_a_dearer_vendor_is_never_chosen_where_a_cheaper_was_not(price, gain, factor):
    declared = Sourcing(**DECLARED)
    case = Case(declared, 600.0, 50.0, {BUILD: 1000.0, "v": gain * 1000}, {"v": price})
    dear = Price(**{k: v * factor for k, v in price.model_dump().items()})
    if case.verdict() != "v":
        assert replace(case, prices={"v": dear}).verdict() != "v"
    assert case.verdict() in (BUILD, "v", NEITHER)
    assert max(0.0, *case.worth().values()) == ({NEITHER: 0.0} | case.worth())[case.verdict()]


def test_a_vendor_without_answers_yet_is_named(tmp_path):
    ws = make_workspace(tmp_path, **bought({"oracle": {}}))
    day = DailyValue("2013-04-01", 20, 60.0, 40.0, 10.0, 90.0, 6, 4, 0, {})
    ws.lake.write("kpi/replay", day.partition, _table(), facts=day.__dict__ | {"unknown": 0})
    assert reckon(ws, "replay")["not_asked"] == ["oracle"]


def test_a_vendors_table_keyed_by_unit_is_a_candidate_on_the_same_rows(tmp_path):
    """The predictions are a source like any other; features.sql joins them, `_` keeps them from our model."""
    theirs = CALLS | {"files": "theirs_*.csv", "columns": {"id": "INTEGER", "call_hour": "TIMESTAMP", "p": "DOUBLE"}}
    oracle = {"oracle": {"description": "foretold", "vendor": True, "expected_outcome": "coalesce(_foretold, 0)"}}
    ws = make_workspace(
        tmp_path, sources={"theirs": theirs}, **merged(bought({"oracle": {}}), {"kpi": {"candidates": oracle}})
    )
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.site, u.load, t.p as _foretold from units u left join theirs t using (id)"
    )
    for d in DAYS:
        rows = [(i, hour, float(load > 0.5)) for i, _, hour, load in calls_of(d, 30)]
        land(ws.landing, f"theirs_{d}.csv", csv(theirs, rows))
    publish(ws, DAYS, count=30)
    crown(ws, DAYS[-3])
    take_decisions(ws, KEYS[-3:], "replay", None)
    kpi_ledger.write_accounts(ws, KEYS[-3:], "replay")
    foresight = sum(d.perfect_foresight for d in kpi_ledger.read_daily_values(ws, "replay"))
    assert sum(d.candidates["oracle"] for d in kpi_ledger.read_daily_values(ws, "replay")) == pytest.approx(foresight)
    assert kpi_audit.find_differences(ws, "replay", KEYS[-3:]) == []


# What a vendor is given


@pytest.fixture
def ours(tmp_path) -> Workspace:
    personal = {"sites": SITES | {"personal": ["site"]}, "calls": {"personal": ["load"]}}
    ws = make_workspace(tmp_path / "home", **bought({"oracle": {}}), sources=personal)
    land(ws.landing, "sites.csv", "site,size\nnorth,3\nsouth,5\n")
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.load, u.site as place, u.load * 2 as twice, 1 as _ours, 'x' as kind from units u"
    )
    publish(ws, DAYS[:3])
    return ws


def test_a_vendor_is_given_units_and_nothing_personal(ours, tmp_path):
    path, row = extract(ours, "oracle", KEYS[:3], tmp_path / "out", "ann", "a trial")
    header, *lines = path.read_text().splitlines()
    assert header.split(",") == ["id", "decided_at", "twice", "kind"] == row.columns
    assert row.left_out == ["load", "place"]  # the site under another name
    assert len(lines) == row.rows == 12
    assert not {"north", "south"} & set(path.read_text().replace(",", "\n").split())
    assert [(g.by, g.vendor, g.first, g.last) for g in gifts(ours).rows()] == [("ann", "oracle", KEYS[0], KEYS[2])]
    gifts(ours).path.write_text(gifts(ours).path.read_text().replace("ann", "eve"))
    with pytest.raises(LedgerError, match="was changed"):
        gifts(ours).rows()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            bought({"oracle": {}}, strategic=True, why="our edge"),
            "no vendor is given anything: our edge",
        ),
        ({}, "declares no sourcing"),
        (bought({"other": {}}), "'oracle' is no vendor of sourcing.vendors: other"),
        (
            merged(bought({"oracle": {}}), {"sources": {"calls": {"personal": ["id"]}}}),
            "the key itself is personal",
        ),
    ],
)
def test_what_may_not_be_given_is_not_written_at_all(changes, why, tmp_path):
    ws = make_workspace(tmp_path / "home", **changes)
    publish(ws, DAYS[:1])
    with pytest.raises(SourcingError, match=why):
        extract(ws, "oracle", KEYS[:1], tmp_path / "out", "ann", "a trial")
    assert not (tmp_path / "out").exists()
    assert gifts(ws).rows() == []


def test_only_vendors_have_a_price(tmp_path):
    rule = {"description": "a rule", "action": "'act'"}
    with pytest.raises(ValidationError, match="no candidate with vendor: true"):
        make_workspace(tmp_path, sourcing=DECLARED | {"vendors": {"rule": {}}}, kpi={"candidates": {"rule": rule}})
