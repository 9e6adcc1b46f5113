"""The whole chain on real flights in Dagster: five months of history, the gate, decisions of a week, and the pages.

The browser tests open the pages in Chromium.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from bench.chain import Run, check_same_money, read_money
from bench.script_runs import run_backfill, run_day
from desk import accounts, tables
from desk.app import build_app
from pipelines.authoring import catalog
from pipelines.cli.app import main
from pipelines.demo import flights
from pipelines.operations.run import run_range
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import GateEvidence
from sixtyforty.modeling.refresh_twin import TwinComparison
from sixtyforty.spec.money import format_money
from sixtyforty.value.daily_value import DailyValue
from tests.browsers import open_chromium
from tests.long_proofs import RUN_WHOLE
from tests.walk_forward import Block, read_blocks, walk_forward
from tests.webservers import open_webserver
from tests.words import assert_plain

FIRST, LAST, DECIDED = date(2013, 1, 1), date(2013, 6, 8), date(2013, 6, 1)
SHUFFLES = 20 if RUN_WHOLE else 2  # challengers with shuffled labels

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """A home where the chain ran from January to 8 June. The late departures of 8 June aren't known yet."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("SIXTYFORTY_HOME", str(folder))
    for name in ("SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE", "SIXTYFORTY_PROFILE"):
        patch.delenv(name, raising=False)
    flights.land(catalog.open_workspace("flight_delays").landing.folder, FIRST, LAST)
    run_range("flight_delays", FIRST, LAST)
    assert (
        main(["simulate-responses", "flight_delays", "--from", f"{DECIDED}", "--to", f"{LAST - timedelta(days=1)}"])
        == 0
    )
    yield folder
    patch.undo()


@pytest.fixture
def ask(home, capsys):
    """Run a command and return its JSON output."""

    def run(*arguments: str) -> dict:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each file that the chain wrote, without lock files, which name their last holder."""
    files = [p for kind in ("lake", "models", "deliveries") for p in (folder / "data" / kind).rglob("*") if p.is_file()]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.suffix != ".lock"
    }


def test_the_impact_equals_an_independent_query_to_the_cent(home, ask):
    impact = ask("impact", "flight_delays")
    assert {"decisions", "per_1000", "lift_vs_current", "total", "unit", "from", "to"} <= impact.keys()
    assert (impact["from"], impact["to"], impact["unit"]) == ("2013-04-01", "2013-06-08", "USD")
    lake = home / "data" / "lake" / "flight_delays"
    count, model, current_process, foresight = duckdb.sql(
        f"""select count(*), sum(case action when 'standby' then 500 * disrupted - 150 else 0 end),
        sum(case current_action when 'standby' then 500 * disrupted - 150 else 0 end), sum(350 * disrupted)
        from read_parquet('{lake}/decisions/replay/*.parquet') join read_parquet('{lake}/outcomes/*.parquet')
        using (year, month, day, carrier, flight, origin) where disrupted is not null"""
    ).fetchall()[0]
    assert impact["decisions"] == count > 60_000
    assert impact["total"] == pytest.approx(model, abs=0.005)
    assert impact["totals"]["current_process"] == pytest.approx(current_process, abs=0.005)
    assert impact["totals"]["perfect_foresight"] == pytest.approx(foresight, abs=0.005)
    assert impact["gain"] == pytest.approx(model - current_process, abs=0.005)
    assert impact["net_impact"] == pytest.approx(impact["gain"] - impact["build"] - impact["running"], abs=0.015)


def test_portfolio_stage_gate_and_replay_agree_with_the_impact(home, ask):
    impact = ask("impact", "flight_delays")
    (line,) = [line for line in ask("portfolio")["lines"] if line["name"] == "flight_delays"]
    money = ("gain", "build", "running")
    assert {name: line[name] for name in money} == {name: impact[name] for name in money}
    assert (line["net"], line["lift"]) == (pytest.approx(impact["net_impact"], abs=0.015), impact["lift_vs_current"])
    assert line["run_hours"] > 0 and line["simulated"]
    stage = ask("stage", "flight_delays")
    assert (stage["stage"], stage["verdict"], stage["partitions"]) == ("poc", "continue", 8)
    assert [row["event"] for row in stage["history"]] == ["enter", "continue"]
    assert ask("build-or-buy", "flight_delays")["verdict"] == "neither"
    days = ask("replay", "flight_delays", "--from", "2013-04-01", "--to", f"{LAST}")["partitions"]
    assert sum(day["outcomes"]["value"] for day in days) == pytest.approx(impact["total"], abs=0.01)


def test_command_asset_report_and_desk_show_the_same_money_as_an_independent_query(home, ask, tmp_path):
    """The total of all days, to the cent."""
    lake = home / "data" / "lake" / "flight_delays"
    count, model, current_process = duckdb.sql(
        f"""select count(*), sum(if(action = 'standby', 500 * disrupted - 150, 0)),
        sum(if(current_action = 'standby', 500 * disrupted - 150, 0))
        from read_parquet('{lake}/decisions/replay/*.parquet') join read_parquet('{lake}/outcomes/*.parquet')
        using (year, month, day, carrier, flight, origin) where disrupted is not null"""
    ).fetchall()[0]
    impact, ws = ask("impact", "flight_delays"), catalog.open_workspace("flight_delays")
    assert (impact["decisions"], impact["totals"]["model"]) == (count, model)
    assert impact["totals"]["current_process"] == current_process
    with dg.DagsterInstance.get() as instance:
        key = dg.AssetKey(["flight_delays", "kpi_impact"])
        events = instance.fetch_materializations(key, limit=1000).records
        by_day = {e.partition_key: e.asset_materialization.metadata for e in events[::-1]}
    for name, total in (("model (USD)", model), ("current process (USD)", current_process)):
        assert round(sum(float(m[name].value) for m in by_day.values() if name in m), 2) == total
    figures = {
        f"{count:,}",
        format_money(model, "USD"),
        format_money(current_process, "USD"),
        format_money(model - current_process, "USD", signed=True),
    }
    database = tables.open_database(f"sqlite:///{tmp_path / 'desk.db'}")
    tables.create_tables(database)
    accounts.save_account(database, "ola", "owner", "correct horse battery")
    with TestClient(build_app({ws.use_case.name: ws}, database), base_url="http://127.0.0.1") as desk:
        token = re.search(r'name="csrf" value="(\w+)"', desk.get("/").text)[1]  # type: ignore[index]
        desk.post("/", data={"csrf": token, "name": "ola", "password": "correct horse battery"})
        desk_page = desk.get("/impact").text
    database.dispose()
    for page in (desk_page, (ws.reports / "impact.html").read_text()):
        assert {figure for figure in figures if figure not in page} == set()


def test_segments_equal_an_independent_query_to_the_cent(home, ask):
    segments = ask("impact", "flight_delays")["segments"]
    lake = home / "data" / "lake" / "flight_delays"
    for column in ("carrier", "origin"):
        expected = duckdb.sql(
            f"""select {column}, count(*), sum(((action = 'standby')::int - (current_action = 'standby')::int)
            * (500 * disrupted - 150)) from read_parquet('{lake}/decisions/replay/*.parquet') as taken
            join read_parquet('{lake}/outcomes/*.parquet') as known using (year, month, day, carrier, flight, origin)
            where disrupted is not null group by 1"""
        ).fetchall()
        assert len(expected) > 2
        shown = [(s["name"], s["decisions"], s["gain"]) for s in segments if s["column"] == column]
        assert sorted(shown) == sorted(expected)


def test_acceptance_equals_an_independent_query(home, ask):
    acceptance, lake = ask("acceptance", "flight_delays"), home / "data" / "lake" / "flight_delays"
    with sa.create_engine(f"sqlite:///{home}/data/deliveries.sqlite").connect() as connection:
        query = sa.text("select decision_id, event, action, simulated from flight_delays_responses")
        responses = connection.execute(query).all()
    decisions = duckdb.sql(
        f"""select decision_id, action, disrupted from read_parquet('{lake}/decisions/replay/*.parquet')
        join read_parquet('{lake}/outcomes/*.parquet') using (year, month, day, carrier, flight, origin)"""
    ).fetchall()
    decided = {decision: action for decision, action, _ in decisions}
    payoffs = {
        decision: {"standby": 500 * disrupted - 150, "none": 0}
        for decision, _, disrupted in decisions
        if disrupted is not None
    }
    overridden = [(r.decision_id, r.action) for r in responses if r.event == "overridden"]
    gains = [payoffs[d][action] - payoffs[d][decided[d]] for d, action in overridden if d in payoffs]
    counts = (acceptance["responses"], acceptance["simulated"])
    assert counts == (len(responses), sum(r.simulated for r in responses))
    assert acceptance["seen"] == len({r.decision_id for r in responses}) > 100
    assert acceptance["accepted"] == len([r for r in responses if r.event == "accepted"])
    assert (acceptance["overridden"], acceptance["known"]) == (len(overridden), len(gains)) > (5, 5)
    assert (acceptance["gain"], acceptance["right"]) == (sum(gains), len([g for g in gains if g > 0]))


def test_simulated_responses_are_labelled_everywhere(home, ask):
    acceptance = ask("acceptance", "flight_delays")
    assert acceptance["simulated"] == acceptance["responses"]
    page = (home / "data" / "reports" / "flight_delays" / "impact.html").read_text()
    section = page[page.index("Do people use the decisions?") : page.index("Next steps")]
    text = re.sub(r"<svg.*?</svg>", "", section, flags=re.S)
    assert text.count("simulated") == 2  # in the heading, and at each role
    with dg.DagsterInstance.get() as instance:
        for stage, key in ((["validated", "responses"], "simulated"), (["acceptance"], "simulated responses")):
            last = instance.get_latest_materialization_event(dg.AssetKey(["flight_delays", *stage]))
            assert last.asset_materialization.metadata[key].value > 0
        for name in ("people_use_decisions", "responses_match"):
            check = dg.AssetCheckKey(dg.AssetKey(["flight_delays", "acceptance"]), name)
            record = instance.event_log_storage.get_asset_check_execution_history(check, 1)[0]
            evaluation = record.event.dagster_event.event_specific_data
            assert evaluation.passed
            assert "simulated" in evaluation.description


def test_the_champion_in_force_decides(ask):
    history = ask("champion", "flight_delays", "--history")["history"]
    assert [(r["as_of"], r["verdict"], r["kind"]) for r in history] == [
        ("2013-04-01", "HOLD", "first"),
        ("2013-05-01", "HOLD", "first"),
        ("2013-06-01", "PROMOTE", "first"),
    ]
    assert history[2]["effective_from"] == "2013-06-01T04:00:00"
    assert ask("champion", "flight_delays", "--date", "2013-05-31")["champion"] is None
    decisions = ask("decisions", "flight_delays", "--date", "2013-06-03")["decisions"]
    assert {d["champion_version"] for d in decisions} == {history[2]["version"]}
    assert {d["action"] for d in decisions} == {"none", "standby"}
    assert len({d["decision_id"] for d in decisions}) == len(decisions)


def test_the_plain_script_of_the_benchmark_gives_decisions_of_the_same_value(home, tmp_path):
    landing, out = home / "data" / "landing" / "flight_delays", tmp_path / "duckdb"
    backfill, day = read_money(home, FIRST, LAST), read_money(home, LAST, LAST)
    check_same_money(Run(0.0, 0.0, money=backfill), run_backfill("duckdb", landing, out, tmp_path / "log"))
    check_same_money(Run(0.0, 0.0, money=day), run_day("duckdb", landing, out, LAST, tmp_path / "log"))
    assert backfill.per_1000["model"] != backfill.per_1000["current_process"]  # a model decides from June on


def test_no_decision_is_before_the_first_day_of_the_replay(home):
    assert min(catalog.open_workspace("flight_delays").lake.entries("decisions/replay")) == "2013-04-01"


def test_an_explanation_leads_back_to_the_extracts(home, ask):
    decision = ask("decisions", "flight_delays", "--date", "2013-06-05")["decisions"][100]
    explanation = ask("explain", "flight_delays", decision["decision_id"])
    landing = home / "data" / "landing" / "flight_delays"
    files = {f["file"]: f["sha256"] for f in explanation["inputs"]}
    assert {"timetable_2013-06-01_2013-06-08.csv", "movements_2013-05.csv", "weather_2013-05.csv", "planes.csv"} <= set(
        files
    )
    for name, sha in files.items():
        assert hashlib.sha256((landing / name).read_bytes()).hexdigest() == sha
    assert explanation["champion"]["training_rows"] > 130_000
    assert explanation["champion"]["training_data_version"]
    assert (
        explanation["decision"]["data_version"]
        and explanation["verdicts"][0]["id"] == explanation["decision"]["verdict_id"]
    )
    assert explanation["features"]["n_sched"] > 0
    assert explanation["delivery"]["action"] == explanation["decision"]["action"]
    assert explanation["outcome"]["value"] in (0.0, 350.0, -150.0)
    assert all(v["accepted"] for v in explanation["verdicts"])


def test_each_decision_is_delivered_once(home, ask):
    engine = sa.create_engine(f"sqlite:///{home}/data/deliveries.sqlite")
    with engine.connect() as connection:
        count, ids = connection.execute(
            sa.text("select count(*), count(distinct decision_id) from flight_delays_replay_decisions")
        ).one()
    assert (
        count
        == ids
        == sum(e.rows for e in catalog.open_workspace("flight_delays").lake.entries("decisions/replay").values())
    )
    file = home / "data" / "deliveries" / "flight_delays" / "replay" / "2013-06-02.csv"
    assert len(file.read_text().splitlines()) - 1 == len(
        ask("decisions", "flight_delays", "--date", "2013-06-02")["decisions"]
    )


def test_a_second_run_changes_no_byte(home):
    before = file_hashes(home)
    run_range("flight_delays", date(2013, 6, 1), LAST)
    assert file_hashes(home) == before


def test_the_training_set_comes_back_from_dvc(ask, tmp_path):
    version = ask("champion", "flight_delays")["champion"]
    files = ask("fetch-training-data", "flight_delays", "--model", version, "--to", str(tmp_path / "back"))["files"]
    card = catalog.open_workspace("flight_delays").models.card(version)
    for name, sha in card.files.items():
        path = next(Path(f) for f in files if f.endswith(name))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha


# The gate, on real days.


@pytest.fixture(scope="module")
def blocks(home) -> list[Block]:
    """The months of the models of February to May."""
    return read_blocks("2013-06-08")


def test_a_challenger_that_learned_from_shuffled_labels_is_never_promoted(blocks):
    gate, current = catalog.load_use_case("flight_delays").gate, walk_forward(blocks, lambda y: y)
    for seed in range(SHUFFLES):
        null = walk_forward(blocks, np.random.default_rng(seed).permutation)
        assert judge(gate, GateEvidence("first", 0.0, null), "USD").verdict != "PROMOTE", seed
        assert judge(gate, GateEvidence("recipe", 0.0, null, current_recipe=current), "USD").verdict != "PROMOTE", seed
        refresh = GateEvidence("refresh", 0.0, null, TwinComparison(null, current))
        assert judge(gate, refresh, "USD").verdict != "PROMOTE", seed


def test_a_challenger_that_is_better_is_promoted(blocks):
    gate, better = catalog.load_use_case("flight_delays").gate, walk_forward(blocks, lambda y: y)
    poor = walk_forward(
        blocks, lambda y: y, lambda names: [n for n in names if not n.startswith(("o_", "c_", "t_", "nyc_"))]
    )
    assert judge(gate, GateEvidence("first", 0.0, better), "USD").verdict == "PROMOTE"

    def compare(recipe: list[DailyValue], current: list[DailyValue]) -> str:
        """Judge a recipe on four months, which are too few for longer blocks and a margin."""
        evidence = GateEvidence("recipe", 0.0, recipe, block_days=7, current_recipe=current)
        return judge(gate.model_copy(update={"margin": 0}), evidence, "USD").verdict

    assert (compare(better, poor), compare(poor, better)) == ("PROMOTE", "HOLD")


def test_the_owners_page_has_no_words_about_algorithms(home):
    page = (home / "data" / "reports" / "flight_delays" / "impact.html").read_text()
    assert_plain(page)
    assert "http://" not in re.sub(
        r"http://www\.w3\.org\S*|http://purl\.org\S*|http://creativecommons\.org\S*", "", page
    )


def test_data_docs_load_nothing_from_the_network(home):
    pages = list((home / "data" / "reports" / "flight_delays" / "data_docs").rglob("*.html"))
    assert len(pages) > 10
    fetched = re.compile(r"<(script|img|link)[^>]*(src|href)=.https?://")
    assert not [p for p in pages if fetched.search(p.read_text())]


def test_doctor_finds_only_that_the_other_use_case_has_no_extracts(home, capsys):
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 1
    things = json.loads(capsys.readouterr().out)["things"]
    assert [t["thing"] for t in things if not t["ok"]] == ["landing zone of household_offers"]


@pytest.fixture(scope="module")
def webserver(home) -> Iterator[str]:
    """The address of Dagster's webserver on a free port."""
    with open_webserver(home) as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    """The installed Chromium."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def tab(chromium):
    """A new tab, because a page of an earlier test may still make requests."""
    page = chromium.new_page(viewport={"width": 1600, "height": 1000})
    yield page
    page.close()


@pytest.mark.browser
def test_the_ui_shows_lineage_money_and_checks(webserver, tab):
    tab.goto(f"{webserver}/locations/sixtyforty/asset-groups/flight_delays/lineage")
    for name in ("training_set", "champion", "decisions", "kpi_impact", "impact_report"):
        tab.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
    tab.goto(f"{webserver}/assets/flight_delays/kpi_impact?view=partitions&partition=2013-06-08")
    tab.get_by_text("gain (USD)", exact=True).first.wait_for(timeout=60_000)
    tab.get_by_text("cumulative value").first.wait_for(timeout=60_000)
    tab.goto(f"{webserver}/assets/flight_delays/validated/movements?view=checks")
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
        assert tab.get_by_text("Margin of safety").is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.emulate_media(color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
    tab.emulate_media(color_scheme=None)
    assert problems == []
