"""A live use case goes on through every kind of change, and says what changed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import catalog
from pipelines.operations.dagster_watch import Automation
from pipelines.operations.watch import watch_use_case
from sixtyforty.lifecycle.fixed_parts import FixedPartError
from sixtyforty.modeling import training_plan
from sixtyforty.modeling.backtest import run_walk_forward
from sixtyforty.reports.alerts import AlertReceipt
from sixtyforty.storage.champion_ledger import ChampionRow
from tests import helpers
from tests.helpers import CREWS, SQL, csv_text, day_range, land_extract
from tests.leaky_world import NAME
from tests.live_world import ADOPTED, CALLS_A_DAY, FIRST, LiveWorld, build_live_home, open_live_world
from tests.pipelines.automation.ticks import evaluate_sensor
from tests.pipelines.conftest import RunCli
from tests.small_portions import use_small_portions

CHANGED = ADOPTED + timedelta(days=1)
AFTER = CHANGED + timedelta(days=1)
UNSCORED = "champion can't score"
WITH_CREW = {"calls": {"columns": {"crew": "INTEGER"}, "optional_columns": ["crew"]}}
Rows = Sequence[Sequence[Any]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the home once, with the first live day decided by the model; each test gets a copy."""
    folder = tmp_path_factory.mktemp("live")
    build_live_home(folder)
    with pytest.MonkeyPatch.context() as patch, open_live_world(folder, patch) as world:
        assert world.live_day(ADOPTED) == []
        assert world.deciders(ADOPTED) == {"model"}
    return folder


@pytest.fixture
def live(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> Iterator[LiveWorld]:
    shutil.copytree(built, tmp_path / "live")
    with open_live_world(tmp_path / "live", monkeypatch) as world:
        yield world


def with_crew(rows: Rows) -> tuple[Sequence[str], Rows]:
    return ("id", "site", "call_hour", "load", "crew"), [[*row, 2] for row in rows]


def alerts() -> dict[str, str]:
    """Return the texts of the alerts that the watch sends now, by kind."""
    receipts = watch_use_case(
        catalog.open_workspace(NAME), "live", lambda *_: None, Automation(frozenset()), time.time()
    )
    return {r.kind: r.text if isinstance(r, AlertReceipt) else "resolved" for r in receipts}


def doctor(run_cli: RunCli, thing: str) -> dict[str, Any]:
    things = {item["thing"]: item for item in run_cli("doctor --json").answer["things"]}
    return things[f"{thing} of {NAME}"]


def gate_rows(live: LiveWorld) -> list[ChampionRow]:
    return [row for row in live.ws.champion_ledger.rows() if row.track == "live" and row.by == "gate"]


def test_a_dropped_feature(live: LiveWorld, run_cli: RunCli) -> None:
    before = live.decided(ADOPTED)
    live.world.write_features("select id, site, load from units")
    reason = "the model needs late_before, which features.sql doesn't return"
    (refusal,) = live.live_day(CHANGED)
    assert refusal.startswith("decisions: the champion ") and reason in refusal
    decisions = live.decided(CHANGED).values()
    assert {(d.decided_by, d.reason) for d in decisions} == {
        ("fallback", f"the champion can't score: {reason}: the current process decides")
    }
    assert all(d.action == d.current_action and d.champion_version == live.champion.version for d in decisions)
    assert reason in alerts()[UNSCORED]
    line = doctor(run_cli, "champion")
    assert (line["ok"], reason in line["found"]) == (False, True)
    assert live.columns_of(FIRST) == live.columns_of(CHANGED), "older features were made again"

    assert live.train() == []
    (row,) = gate_rows(live)
    assert (row.verdict, row.kind) == ("PROMOTE", "first"), row.reasons
    assert any(reason in text for text in row.reasons)
    assert live.live_day(AFTER) == []
    assert live.deciders(AFTER) == {"model"}
    assert alerts()[UNSCORED] == "resolved"
    assert doctor(run_cli, "champion")["ok"]
    assert live.decided(ADOPTED) == before, "live decisions are history"


def test_an_added_feature(live: LiveWorld) -> None:
    live.world.write_features(SQL["features"].replace("u.load,", "u.load, u.load * u.load as squared,"))
    assert live.live_day(CHANGED) == []
    assert live.deciders(CHANGED) == {"model"}
    assert "squared" in live.columns_of(FIRST) & live.columns_of(CHANGED)
    assert live.train() == []
    (row,) = gate_rows(live)
    assert row.kind == "recipe"
    assert "squared" in live.ws.models.card(row.version).features


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("select id,\n  lod from units", 'features.sql, line 2: the SQL can\'t run: Referenced column "lod" not found'),
        ("select id load, from from units", "features.sql, line 1: the SQL can't run: syntax error"),
        (
            "select id, load, site::integer as site from units",
            "features.sql, line 1: the SQL can't run: Could not convert",
        ),
        ("select id, load, now() as today from units", "forbidden SQL in features.sql, line 1: now() reads the clock"),
        ("select id, load from units limit 3", "features.sql returns 3 rows with 3 distinct keys"),
    ],
)
def test_features_that_cannot_run(live: LiveWorld, run_cli: RunCli, broken: str, fault: str) -> None:
    before, earlier = live.decided(ADOPTED), live.feature(ADOPTED, "load")
    live.world.write_features(broken)
    refusals = live.live_day(CHANGED)
    assert {refusal.partition(":")[0] for refusal in refusals} == {"decisions", "features"}
    assert all(fault in refusal for refusal in refusals)
    decisions = live.decided(CHANGED).values()
    assert len(decisions) == CALLS_A_DAY
    assert {d.decided_by for d in decisions} == {"fallback"}
    assert all(d.action == d.current_action and fault in d.reason for d in decisions)
    assert fault in alerts()[UNSCORED]
    line = doctor(run_cli, "champion")
    assert (line["ok"], fault in line["found"]) == (False, True)
    assert "Correct features.sql." in line["found"]
    assert live.feature(ADOPTED, "load") == earlier, "decided partitions keep their features"
    assert live.feature(CHANGED, "load") == [None] * CALLS_A_DAY

    live.world.write_features(SQL["features"])
    assert live.live_day(AFTER) == []
    assert live.deciders(AFTER) == {"model"}
    assert None not in live.feature(CHANGED, "load"), "features are made again once they can be"
    assert alerts()[UNSCORED] == "resolved"
    assert live.train() == []
    assert list(live.decided(CHANGED).values()) == list(decisions), "live decisions are history"
    assert live.decided(ADOPTED) == before


def test_a_large_partition_whose_features_cannot_run(live: LiveWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_portions(monkeypatch)
    live.world.write_features("select id, lod from units")
    live.live_day(CHANGED)
    assert live.deciders(CHANGED) == {"fallback"}


def test_no_model_learns_from_features_that_could_not_be_built(live: LiveWorld) -> None:
    live.world.write_features("select id, lod from units")
    live.live_day(CHANGED)
    ws = live.ws
    assert f"{CHANGED}" in ws.lake.partitions("features")
    with pytest.raises(training_plan.TooEarlyError, match=r"whose features an earlier features\.sql built"):
        training_plan.plan_training(ws.use_case, ws.lake, AFTER)


def test_a_current_process_that_cannot_run(live: LiveWorld) -> None:
    current = live.world.folder / "current_process.sql"
    live.world.write_features("select id, lod from units")
    sql = "select id,\n  lod as action from units"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helpers, "SQL", {**SQL, "current_process": sql})
        live.world.load()
        assert current.read_text() == sql
        with pytest.raises(Exception) as error:
            live.live_day(CHANGED)
    text = str(error.getrepr())
    assert "current_process.sql, line 2: the SQL can't run" in text
    assert "Live decisions wait until then" in text
    assert live.decided(CHANGED) == {}
    live.world.write_features(SQL["features"])
    assert live.live_day(CHANGED) == []
    assert live.deciders(CHANGED) == {"model"}


def test_a_retyped_feature(live: LiveWorld) -> None:
    live.world.write_features(SQL["features"].replace("u.load,", "u.load::varchar as load,"))
    (refusal,) = live.live_day(CHANGED)
    assert "load is a text now and was a number" in refusal
    assert live.deciders(CHANGED) == {"fallback"}


def test_a_redefined_feature(live: LiveWorld) -> None:
    live.world.write_features(SQL["features"].replace("u.load,", "100 * u.load as load,"))
    (refusal,) = live.live_day(CHANGED)
    assert "features have other values since features.sql changed: load (92% of the units)" in refusal
    assert live.deciders(CHANGED) == {"fallback"}
    assert live.train() == []
    assert live.live_day(AFTER) == []
    assert live.deciders(AFTER) == {"model"}


@pytest.mark.parametrize("damage", ["rubbish", "missing model", "missing folder", "rubbish card"])
def test_a_broken_champion(live: LiveWorld, run_cli: RunCli, damage: str) -> None:
    folder = Path(str(live.ws.models.folder(live.champion.version)))
    shutil.copytree(folder, folder.parent.parent / "backup")
    match damage:
        case "rubbish":
            (folder / "model.skops").write_bytes(b"rubbish")
        case "missing model":
            (folder / "model.skops").unlink()
        case "missing folder":
            shutil.rmtree(folder)
        case "rubbish card":
            (folder / "card.json").write_bytes(b"rubbish")
    (refusal,) = live.live_day(CHANGED)
    assert "can't score" in refusal
    assert live.deciders(CHANGED) == {"fallback"}
    assert "can't score" in alerts()[UNSCORED]
    assert not doctor(run_cli, "champion")["ok"]

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(folder.parent.parent / "backup", folder)
    assert live.live_day(AFTER) == []
    assert live.deciders(AFTER) == {"model"}
    assert alerts()[UNSCORED] == "resolved"


def test_a_column_added_to_a_source_with_old_and_new_extracts(live: LiveWorld) -> None:
    live.world.changes["sources"] = WITH_CREW
    live.world.write_features(SQL["features"].replace("u.load,", "u.load, u.crew,"))
    assert live.live_day(CHANGED, calls=with_crew) == []
    assert live.deciders(CHANGED) == {"model"}
    assert live.live_day(AFTER) == [], "an extract of the old kind may still come"
    assert live.deciders(AFTER) == {"model"}
    assert "crew" in live.columns_of(FIRST) & live.columns_of(AFTER)


def test_a_column_renamed_in_a_source(live: LiveWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(rows: Rows) -> tuple[Sequence[str], Rows]:
        return ("id", "site", "call_hour", "weight"), rows

    live.land(CHANGED, calls=rename)
    live.set_time(CHANGED)
    live.catch_up()
    assert live.decided(CHANGED) == {}, "the extract is refused until the declaration knows the name"
    monkeypatch.setitem(helpers.CALLS, "columns", {**helpers.CALLS["columns"], "weight": "DOUBLE"})
    monkeypatch.delitem(helpers.CALLS["columns"], "load")
    monkeypatch.setitem(SQL, "current_process", SQL["current_process"].replace("load", "weight"))
    live.world.changes["sources"] = {"calls": {"other_names": {"weight": ["load"]}}}
    live.world.write_features(
        SQL["features"]
        .replace("u.load,", "u.weight as load,")
        .replace("group by all", "group by u.id, u.site, u.weight")
    )
    assert live.catch_up() == []
    assert live.deciders(CHANGED) == {"model"}


def test_a_column_removed_from_a_source(live: LiveWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_site(rows: Rows) -> tuple[Sequence[str], Rows]:
        return ("id", "call_hour", "load"), [[row[0], *row[2:]] for row in rows]

    monkeypatch.setitem(helpers.CALLS, "columns", dict(helpers.CALLS["columns"]))
    monkeypatch.delitem(helpers.CALLS["columns"], "site")
    live.world.changes["model"] = {"categorical": []}
    live.world.write_features("select u.id, u.load from units u")
    (refusal,) = live.live_day(CHANGED, calls=without_site)
    assert "the model needs site, late_before, which features.sql doesn't return" in refusal
    assert live.deciders(CHANGED) == {"fallback"}
    assert live.train() == []
    assert live.live_day(AFTER, calls=without_site) == []
    assert live.deciders(AFTER) == {"model"}


def test_the_current_process_changed(live: LiveWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    before = live.decided(ADOPTED)
    monkeypatch.setitem(SQL, "current_process", "select id, 'act' as action from units")
    assert live.live_day(CHANGED) == []
    assert {d.current_action for d in live.decided(CHANGED).values()} == {"act"}
    assert live.decided(ADOPTED) == before
    assert "wait" in {d.current_action for d in before.values()}


def test_an_action_that_live_decisions_took_can_only_end_by_a_veto(
    live: LiveWorld, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions, renamed = helpers.DECLARED["kpi"]["actions"], SQL["current_process"].replace("'act'", "'come'")
    impact = run_cli(f"impact {NAME} --track live").out
    with monkeypatch.context() as patch:
        patch.setitem(helpers.DECLARED["kpi"], "actions", {"wait": actions["wait"], "come": actions["act"]})
        patch.setitem(SQL, "current_process", renamed)
        live.land(CHANGED)
        live.set_time(CHANGED)
        reason = "kpi.actions was [act, wait] and is [come, wait] now"
        tick = evaluate_sensor(live.ws, live.instance, "new_data")
        assert (tick.requests, reason in tick.skip_reason) == ([], True), tick
        refused = run_cli(f"run {NAME} --from {CHANGED} --to {CHANGED} --track live")
        assert (refused.code, reason in refused.err, "veto" in refused.err) == (1, True, True), refused.err
        assert not doctor(run_cli, "keys and calendar")["ok"]
        money, same_money = (text.split("\nCost: ")[0] for text in (impact, run_cli(f"impact {NAME} --track live").out))
        assert same_money == money

    vetoes = {"no_act": {"when": "true", "never": "act", "why": "Fitters work alone now."}}
    live.world.changes["model"] = {"vetoes": vetoes}
    monkeypatch.setitem(SQL, "current_process", "select id, 'wait' as action from units")
    assert live.catch_up() == []
    assert {d.action for d in live.decided(CHANGED).values()} == {"wait"}


def test_a_source_added(live: LiveWorld, built: Path) -> None:
    rules = live.world.folder.parent / "suites" / NAME
    (rules / "crews.yaml").write_text("description: for the test\n")
    live.world.changes["sources"] = {"crews": CREWS}
    live.world.write_features(
        SQL["features"]
        .replace("avg(v.late) as late_before", "avg(v.late) as late_before, max(k.free) as free")
        .replace("group by all", "left join crews k on k.site = u.site and k.day = u.call_hour::date group by all")
    )
    for day in (CHANGED, AFTER):
        rows = [(day, site, 3) for site in ("north", "south")]
        land_extract(live.ws.landing, f"crews_{day}.csv", csv_text(CREWS, rows))
        assert live.live_day(day) == []
        assert live.deciders(day) == {"model"}
    assert set(live.feature(AFTER, "free")) == {3}
    assert "free" in live.columns_of(FIRST), "the days before the source are made again, without its values"


CHANGED_PARTS: list[tuple[dict[str, Any], str]] = [
    ({"decision": {"key": ["id", "site"]}}, "decision.key was [id] and is [id, site] now"),
    ({"timezone": "Europe/Berlin"}, "timezone was 'America/New_York' and is 'Europe/Berlin' now"),
    ({"partitions": {"every": "week"}}, "partitions.every was 'day' and is 'week' now"),
    ({"sources": {"calls": {"key": ["id", "site"]}}}, "sources.calls.key was [id] and is [id, site] now"),
    ({"sources": {"visits": {"partition": "seen_at::date"}}}, "sources.visits.partition was 'local(seen_at)::date'"),
]


@pytest.mark.parametrize(("changes", "reason"), CHANGED_PARTS, ids=[reason.split()[0] for _, reason in CHANGED_PARTS])
def test_a_changed_key_or_calendar_is_refused_and_the_accounts_stay_readable(
    live: LiveWorld, run_cli: RunCli, changes: dict[str, Any], reason: str
) -> None:
    impact, decisions = (
        run_cli(f"impact {NAME} --track live"),
        run_cli(f"decisions {NAME} --date {ADOPTED} --track live"),
    )
    assert impact.code == decisions.code == 0
    before = dict(live.world.changes)
    live.world.changes.update(changes)
    live.land(CHANGED)
    live.set_time(CHANGED)
    tick = evaluate_sensor(live.ws, live.instance, "new_data")
    assert (tick.requests, reason in tick.skip_reason) == ([], True)
    refused = run_cli(f"run {NAME} --from {CHANGED} --to {CHANGED} --track live")
    assert (refused.code, reason in refused.err) == (1, True), refused.err
    assert "Restore the earlier declaration." in refused.err
    with pytest.raises(FixedPartError):
        live.catch_up_anyway(CHANGED)
    assert not doctor(run_cli, "keys and calendar")["ok"]
    assert run_cli("doctor").code == 1
    planned = run_cli(f"plan {NAME}")
    assert (planned.code, reason in planned.err, "To apply the edit" in planned.out) == (1, True, False), planned.out
    assert reason in alerts()["key or calendar changed"]
    assert run_cli(f"impact {NAME} --track live").out == impact.out
    assert run_cli(f"decisions {NAME} --date {ADOPTED} --track live").out == decisions.out

    live.world.changes.clear()
    live.world.changes.update(before)
    assert live.catch_up() == []
    assert live.deciders(CHANGED) == {"model"}


def test_a_new_recipe_is_judged_on_live_days_without_a_replay(live: LiveWorld) -> None:
    last = ADOPTED + timedelta(days=16)
    for day in day_range(CHANGED, last):
        live.land(date.fromisoformat(day))
    live.set_time(last)
    assert live.catch_up() == []
    champion = live.champion.version
    live.world.changes["model"] = {
        "alternatives": {"plain": {"description": "A line.", "estimator": "sklearn.linear_model.LogisticRegression"}}
    }
    assert live.train() == []
    ws = live.ws
    today = last  # the training is as of the local day, whose own outcomes it doesn't know
    recipes = training_plan.declared_recipes(ws.use_case)
    for recipe in recipes:
        days = [d.partition for d in run_walk_forward(ws.use_case, ws.lake, ws.models, recipe, today)]
        assert f"{ADOPTED}" in days and f"{last - timedelta(days=2)}" in days, "live days count"
    rows = gate_rows(live)
    assert rows and not any("too early" in reason for row in rows for reason in row.reasons)
    assert {row.as_of for row in rows} == {f"{today}"}, "only today's challengers are judged"
    assert champion in {row.version for row in ws.champion_ledger.promotions("live")}
