"""The whole chain on real flights, in Dagster: a quarter of history, a gate, a first week of decisions, and what
people see of it in a real browser."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from desk import accounts, tables
from desk.app import build_app
from pipelines.authoring import catalog
from pipelines.cli.app import main
from pipelines.demo import flights
from pipelines.operations.run import run_range
from sixtyforty.modeling.estimators import fit_model
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import GateEvidence, LatestBlock
from sixtyforty.modeling.training_plan import read_training_rows
from sixtyforty.spec.money import format_money
from sixtyforty.value.daily_value import DailyValue, value_of_day
from sixtyforty.value.payoffs import build_payoffs
from tests.helpers import day_range
from tests.words import assert_plain

FIRST, LAST, DECIDED = date(2013, 1, 1), date(2013, 4, 8), date(2013, 4, 1)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """A home in which the chain ran from January to the 8th of April; the 8th's late departures aren't known yet."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("SIXTYFORTY_HOME", str(folder))
    for name in ("SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE", "SIXTYFORTY_PROFILE"):
        patch.delenv(name, raising=False)
    flights.land(catalog.open_workspace("flight_delays").landing.folder, FIRST, LAST)
    run_range("flight_delays", FIRST, LAST)
    assert main(["simulate-responses", "flight_delays", "--from", f"{DECIDED}", "--to", f"{LAST - timedelta(days=1)}"]) == 0
    yield folder
    patch.undo()


@pytest.fixture
def say(home, capsys):
    """Runs the command line and returns what it answered as JSON."""

    def run(*words: str) -> dict:
        capsys.readouterr()
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def tree(folder: Path) -> dict[str, str]:
    files = [p for kind in ("lake", "models", "deliveries") for p in (folder / "data" / kind).rglob("*") if p.is_file()]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.suffix != ".lock"
    }


def test_impact_adds_up_to_the_cent_with_a_query_of_ones_own(home, say):
    found = say("impact", "flight_delays")
    assert {"decisions", "per_1000", "lift_vs_current", "total", "unit", "from", "to"} <= found.keys()
    assert (found["from"], found["to"], found["unit"]) == ("2013-04-01", "2013-04-08", "USD")
    lake = home / "data" / "lake" / "flight_delays"
    n, model, present, foresight = duckdb.sql(
        f"""select count(*), sum(case action when 'standby' then 500 * disrupted - 150 else 0 end),
        sum(case current_action when 'standby' then 500 * disrupted - 150 else 0 end), sum(350 * disrupted)
        from read_parquet('{lake}/decisions/replay/*.parquet') join read_parquet('{lake}/outcomes/*.parquet')
        using (year, month, day, carrier, flight, origin) where disrupted is not null"""
    ).fetchall()[0]
    assert found["decisions"] == n > 6000
    assert found["total"] == pytest.approx(model, abs=0.005)
    assert found["totals"]["current_process"] == pytest.approx(present, abs=0.005)
    assert found["totals"]["perfect_foresight"] == pytest.approx(foresight, abs=0.005)
    assert found["gain"] == pytest.approx(model - present, abs=0.005)
    assert found["net_impact"] == pytest.approx(found["gain"] - found["build"] - found["running"], abs=0.015)


def test_the_portfolio_says_what_the_impact_page_says_and_the_gate_waits_for_more_days(home, say):
    found, (one,) = (
        say("impact", "flight_delays"),
        [o for o in say("portfolio")["lines"] if o["name"] == "flight_delays"],
    )
    assert {k: one[k] for k in ("gain", "build", "running")} == {k: found[k] for k in ("gain", "build", "running")}
    assert (one["net"], one["lift"]) == (pytest.approx(found["net_impact"], abs=0.015), found["lift_vs_current"])
    assert one["run_hours"] > 0 and one["simulated"]
    stage = say("stage", "flight_delays")
    assert (stage["stage"], stage["verdict"], stage["partitions"]) == ("poc", "continue", 8)
    assert [r["event"] for r in stage["history"]] == ["enter", "continue"]
    assert say("build-or-buy", "flight_delays")["verdict"] == "build"
    days = say("replay", "flight_delays", "--from", f"{DECIDED}", "--to", f"{LAST}")["partitions"]
    assert sum(d["outcomes"]["value"] for d in days) == pytest.approx(found["total"], abs=0.01)


def test_chain_report_and_desk_say_the_same_to_the_cent_as_a_query_of_ones_own(home, say, tmp_path):
    """Of the money of all days: the query, the command, the asset's metadata, the owner's page, the desk's page."""
    lake = home / "data" / "lake" / "flight_delays"
    n, model, present = duckdb.sql(
        f"""select count(*), sum(if(action = 'standby', 500 * disrupted - 150, 0)),
        sum(if(current_action = 'standby', 500 * disrupted - 150, 0))
        from read_parquet('{lake}/decisions/replay/*.parquet') join read_parquet('{lake}/outcomes/*.parquet')
        using (year, month, day, carrier, flight, origin) where disrupted is not null"""
    ).fetchall()[0]
    found, ws = say("impact", "flight_delays"), catalog.open_workspace("flight_delays")
    assert (found["decisions"], found["totals"]["model"], found["totals"]["current_process"]) == (n, model, present)
    with dg.DagsterInstance.get() as instance:
        key = dg.AssetKey(["flight_delays", "kpi_impact"])
        events = instance.fetch_materializations(key, limit=1000).records
        by_day = {e.partition_key: e.asset_materialization.metadata for e in events[::-1]}
    for policy, total in (("model", model), ("current process", present)):
        assert round(sum(float(m[policy].value) for m in by_day.values()), 2) == total
    figures = {f"{n:,}", f"{model:,.0f}", f"{present:,.0f}", format_money(model - present, "USD", signed=True)}
    database = tables.open_database(f"sqlite:///{tmp_path / 'desk.db'}")
    tables.create_tables(database)
    accounts.save_account(database, "ola", "owner", "correct horse battery")
    with TestClient(build_app({ws.use_case.name: ws}, database), base_url="http://127.0.0.1") as desk:
        token = re.search(r'name="csrf" value="(\w+)"', desk.get("/").text)[1]  # type: ignore[index]
        desk.post("/", data={"csrf": token, "name": "ola", "password": "correct horse battery"})
        page = desk.get("/impact").text
    database.dispose()
    for told in (page, (ws.reports / "impact.html").read_text()):
        assert {f for f in figures if f not in told} == set()


def test_segments_add_up_to_the_cent_with_a_query_of_ones_own(home, say):
    found = {(s["column"], s["name"]): (s["decisions"], s["gain"]) for s in say("impact", "flight_delays")["segments"]}
    lake = home / "data" / "lake" / "flight_delays"
    for column in ("carrier", "origin"):
        mine = duckdb.sql(
            f"""select {column}, count(*), sum(((action = 'standby')::int - (current_action = 'standby')::int)
            * (500 * disrupted - 150)) from read_parquet('{lake}/decisions/replay/*.parquet') as taken
            join read_parquet('{lake}/outcomes/*.parquet') as known using (year, month, day, carrier, flight, origin)
            where disrupted is not null group by 1"""
        ).fetchall()
        assert len(mine) > 2
        assert {n: v for (c, n), v in found.items() if c == column} == {name: (n, gain) for name, n, gain in mine}


def test_acceptance_adds_up_with_a_query_of_ones_own(home, say):
    found, lake = say("acceptance", "flight_delays"), home / "data" / "lake" / "flight_delays"
    with sa.create_engine(f"sqlite:///{home}/data/deliveries.sqlite").connect() as connection:
        query = sa.text("select decision_id, event, action, simulated from flight_delays_responses")
        said = connection.execute(query).all()
    taken = duckdb.sql(
        f"""select decision_id, action, disrupted from read_parquet('{lake}/decisions/replay/*.parquet')
        join read_parquet('{lake}/outcomes/*.parquet') using (year, month, day, carrier, flight, origin)"""
    ).fetchall()
    was = {i: action for i, action, _ in taken}
    pays = {i: {"standby": 500 * late - 150, "none": 0} for i, _, late in taken if late is not None}
    overridden = [(r.decision_id, r.action) for r in said if r.event == "overridden"]
    gains = [pays[i][done] - pays[i][was[i]] for i, done in overridden if i in pays]
    assert (found["responses"], found["simulated"]) == (len(said), sum(r.simulated for r in said))
    assert found["seen"] == len({r.decision_id for r in said}) > 100
    assert found["accepted"] == len([r for r in said if r.event == "accepted"])
    assert (found["overridden"], found["known"]) == (len(overridden), len(gains)) > (5, 5)
    assert (found["gain"], found["right"]) == (sum(gains), len([g for g in gains if g > 0]))


def test_what_is_simulated_is_said_to_be_wherever_it_shows(home, say):
    found = say("acceptance", "flight_delays")
    assert found["simulated"] == found["responses"]
    page = (home / "data" / "reports" / "flight_delays" / "impact.html").read_text()
    section = page[page.index("Do people use it?") : page.index("Next steps")]
    text = re.sub(r"<svg.*?</svg>", "", section, flags=re.S)
    assert text.count("simulated") == 2  # in the heading, and at each role
    with dg.DagsterInstance.get() as instance:
        for stage in (["validated", "responses"], ["acceptance"]):
            last = instance.get_latest_materialization_event(dg.AssetKey(["flight_delays", *stage]))
            assert last.asset_materialization.metadata["simulated"].value > 0
        for name in ("used", "responses_match"):
            check = dg.AssetCheckKey(dg.AssetKey(["flight_delays", "acceptance"]), name)
            record = instance.event_log_storage.get_asset_check_execution_history(check, 1)[0]
            evaluation = record.event.dagster_event.event_specific_data
            assert evaluation.passed
            assert "simulated" in evaluation.description


def test_decisions_are_by_the_champion_in_force(say):
    history = say("champion", "flight_delays", "--history")["history"]
    assert [(r["as_of"], r["verdict"], r["kind"]) for r in history] == [("2013-04-01", "PROMOTE", "first")]
    assert history[0]["effective_from"] == "2013-04-01T04:00:00"
    assert say("champion", "flight_delays", "--date", "2013-03-31")["champion"] is None
    decisions = say("decisions", "flight_delays", "--date", "2013-04-03")["decisions"]
    assert {d["champion_version"] for d in decisions} == {history[0]["version"]}
    assert {d["action"] for d in decisions} == {"none", "standby"}
    assert len({d["decision_id"] for d in decisions}) == len(decisions)


def test_nothing_is_decided_before_the_first_day_of_the_replay(home):
    assert min(catalog.open_workspace("flight_delays").lake.entries("decisions/replay")) == "2013-04-01"


def test_explain_goes_back_to_the_files(home, say):
    one = say("decisions", "flight_delays", "--date", "2013-04-05")["decisions"][100]
    thread = say("explain", "flight_delays", one["decision_id"])
    landing = home / "data" / "landing" / "flight_delays"
    files = {f["file"]: f["sha256"] for f in thread["inputs"]}
    assert {"timetable_2013-04-01_2013-04-08.csv", "movements_2013-03.csv", "weather_2013-03.csv", "planes.csv"} <= set(
        files
    )
    for name, sha in files.items():
        assert hashlib.sha256((landing / name).read_bytes()).hexdigest() == sha
    assert thread["champion"]["training_rows"] > 70_000
    assert thread["champion"]["training_data_version"]
    assert thread["decision"]["data_version"] and thread["verdicts"][0]["id"] == thread["decision"]["verdict_id"]
    assert thread["features"]["n_sched"] > 0
    assert thread["delivery"]["action"] == thread["decision"]["action"]
    assert thread["outcome"]["value"] in (0.0, 350.0, -150.0)
    assert all(v["accepted"] for v in thread["verdicts"])


def test_each_decision_is_delivered_once(home, say):
    engine = sa.create_engine(f"sqlite:///{home}/data/deliveries.sqlite")
    with engine.connect() as connection:
        n, ids = connection.execute(
            sa.text("select count(*), count(distinct decision_id) from flight_delays_replay_decisions")
        ).one()
    assert n == ids == sum(e.rows for e in catalog.open_workspace("flight_delays").lake.entries("decisions/replay").values())
    file = home / "data" / "deliveries" / "flight_delays" / "replay" / "2013-04-02.csv"
    assert len(file.read_text().splitlines()) - 1 == len(
        say("decisions", "flight_delays", "--date", "2013-04-02")["decisions"]
    )


def test_running_again_changes_nothing(home):
    before = tree(home)
    run_range("flight_delays", date(2013, 4, 1), LAST)
    assert tree(home) == before


def test_restore_gives_the_training_set(say, tmp_path):
    version = say("champion", "flight_delays")["champion"]
    files = say("fetch-training-data", "flight_delays", "--model", version, "--to", str(tmp_path / "back"))["files"]
    card = catalog.open_workspace("flight_delays").models.card(version)
    for name, sha in card["files"].items():
        path = next(Path(f) for f in files if f.endswith(name))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha


# The gate, on real days.


@pytest.fixture(scope="module")
def blocks(home) -> list[tuple[Any, list[str], Any]]:
    """For the February and the March model: what it learned from, its features, and the month it is tested on."""
    ws, found = catalog.open_workspace("flight_delays"), []
    for version in ws.models.versions()[:2]:
        card = ws.models.card(version)
        first = date.fromisoformat(card["as_of"])
        days = day_range(first, first.replace(month=first.month + 1) - timedelta(days=1))
        tested = read_training_rows(
            ws.use_case, ws.lake, ws.lake.entries("features", days), ws.lake.entries("outcomes", days), "2013-04-08"
        )
        found.append((ws.models.training_frame(version), card["features"], tested.to_pandas()))
    return found


def walked(blocks, labels, features=lambda names: names) -> list[DailyValue]:
    """Days of value of a recipe that learns these labels from these features; smaller than ours, and quick."""
    case, found = catalog.load_use_case("flight_delays"), []
    small = case.model.model_copy(update={"params": {"max_iter": 10, "early_stopping": False}})
    for learned, names, tested in blocks:
        told = learned.assign(disrupted=labels(learned["disrupted"].to_numpy(float)))
        model = fit_model(small, case.kpi, features(names), told)
        acted = tested.assign(action=build_payoffs(case.kpi, tested).choose_actions(model.predict(tested)))
        found += [
            value_of_day(case.kpi, str(p), g, g["disrupted"].to_numpy(float)) for p, g in acted.groupby("_partition")
        ]
    return found


def test_a_challenger_that_learned_noise_is_never_promoted(blocks):
    gate, current = catalog.load_use_case("flight_delays").gate, walked(blocks, lambda y: y)
    for seed in range(20):
        null = walked(blocks, np.random.default_rng(seed).permutation)
        assert judge(gate, GateEvidence("first", 0.0, null), "USD").verdict != "PROMOTE", seed
        assert judge(gate, GateEvidence("recipe", 0.0, null, current_recipe=current), "USD").verdict != "PROMOTE", seed
        refresh = GateEvidence("refresh", 0.0, null, LatestBlock(null, current))
        assert judge(gate, refresh, "USD").verdict != "PROMOTE", seed


def test_a_challenger_that_is_truly_better_is(blocks):
    gate, better = catalog.load_use_case("flight_delays").gate, walked(blocks, lambda y: y)
    poor = walked(blocks, lambda y: y, lambda names: [n for n in names if not n.startswith(("o_", "c_", "t_", "nyc_"))])
    assert judge(gate, GateEvidence("recipe", 0.0, better, current_recipe=poor), "USD").verdict == "PROMOTE"
    assert judge(gate, GateEvidence("recipe", 0.0, poor, current_recipe=better), "USD").verdict != "PROMOTE"
    assert judge(gate, GateEvidence("first", 0.0, better), "USD").verdict == "PROMOTE"


def test_the_owners_page_has_no_algorithm_talk(home):
    page = (home / "data" / "reports" / "flight_delays" / "impact.html").read_text()
    assert_plain(page)
    assert "http://" not in re.sub(
        r"http://www\.w3\.org\S*|http://purl\.org\S*|http://creativecommons\.org\S*", "", page
    )


def test_data_docs_fetch_nothing(home):
    pages = list((home / "data" / "reports" / "flight_delays" / "data_docs").rglob("*.html"))
    assert len(pages) > 10
    fetched = re.compile(r"<(script|img|link)[^>]*(src|href)=.https?://")
    assert not [p for p in pages if fetched.search(p.read_text())]


def test_doctor_is_content(say):
    assert all(t["ok"] for t in say("doctor")["things"] if t["needed"])


@pytest.fixture(scope="module")
def pages(home) -> Iterator[str]:
    """Dagster's webserver on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(catalog.FOLDER).parents[1]
    env = os.environ | {"DAGSTER_HOME": str(home / "data" / "dagster"), "SIXTYFORTY_HOME": str(home)}
    command = [
        str(Path(sys.executable).with_name("dagster-webserver")),
        "-w",
        str(root / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    server = subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def tab():
    """A page in the system's Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        yield browser.new_page(viewport={"width": 1600, "height": 1000})
        browser.close()


@pytest.mark.browser
def test_the_ui_shows_lineage_money_and_checks(pages, tab):
    tab.goto(f"{pages}/locations/sixtyforty/asset-groups/flight_delays/lineage")
    for name in ("training_set", "champion", "decisions", "kpi_impact", "impact_report"):
        tab.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
    tab.goto(f"{pages}/assets/flight_delays/kpi_impact?view=partitions&partition=2013-04-08")
    tab.get_by_text("gain", exact=True).first.wait_for(timeout=60_000)
    tab.get_by_text("cumulative value").first.wait_for(timeout=60_000)
    tab.goto(f"{pages}/assets/flight_delays/validated/movements?view=checks")
    tab.get_by_text("contract").first.wait_for(timeout=60_000)
    tab.get_by_text("conservation").first.wait_for(timeout=60_000)
    assert not tab.get_by_text("Join the Dagster community").is_visible()


@pytest.mark.browser
def test_the_owners_page_fits_a_desk_and_a_phone(home, tab):
    page = (home / "data" / "reports" / "flight_delays" / "impact.html").as_uri()
    problems: list[str] = []
    tab.on("pageerror", lambda e: problems.append(str(e)))
    tab.on("request", lambda r: problems.append(r.url) if r.url.startswith("http") else None)
    for width in (1280, 390):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.goto(page)
        assert tab.locator("h1").inner_text() == "Standby crews for late flights"
        assert tab.locator("svg").count() == 5
        assert tab.get_by_text("How good it must be").is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []
