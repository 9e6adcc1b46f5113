"""`sixtyforty impact`: the money as JSON and as a table."""

from __future__ import annotations

from datetime import date

from pipelines.cli.impact import describe_forecasts
from sixtyforty.accounting.forecast import ChampionTerm, ForecastRecord
from sixtyforty.accounting.kpi_ledger import write_accounts
from sixtyforty.spec.wording import format_date
from sixtyforty.value.lift import UNKNOWN, Interval
from sixtyforty.workspace import Workspace
from tests.pipelines.cli.conftest import decide_days
from tests.pipelines.conftest import RunCli
from tests.sixtyforty.accounting.test_kpi_ledger import set_outcomes


def test_impact_as_json_and_as_a_table(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [date(2013, 4, 2), date(2013, 4, 3)])
    figures = run_cli("impact calls_in_time --json").answer
    assert set(figures["per_1000"]) == {"model", "current_process", "random_choice", "perfect_foresight"}
    assert set(figures["lift_vs_current"]) == {"value", "low", "high", "problem"}
    assert {"target", "target_date", "terms", "coming_month", "within", "compared"} <= figures["forecast"].keys()
    assert (figures["decisions"], figures["unit"]) == (8, "EUR")
    assert (figures["from"], figures["to"]) == ("2013-04-02", "2013-04-03")
    finished = run_cli("impact calls_in_time")
    assert finished.code == 0
    lines = finished.out.splitlines()
    label = "exact given the declared payoffs"
    assert lines[0] == f"Net value of second fitters, EUR ({label}), 2013-04-02 to 2013-04-03, 8 calls"
    taken = next(line for line in lines if line.startswith("decisions taken"))
    assert taken.split()[-2:] == [f"{figures['per_1000']['model']:,.0f}", f"{figures['total']:,.0f}"]
    worst = next(line for line in lines if line.startswith("The worst day was "))
    assert format_date(figures["capacity"]["worst_partition"]) in worst
    activity = figures["rests_on"]["activity"]["taken"]
    assert f"The decisions take {activity['mean']:.1f} actions a day on average" in finished.out
    gain = next(line for line in lines if line.startswith("gain over the current process"))
    assert f"{figures['lift_vs_current']['value']:+,.0f}" in gain
    assert "too few days to say" in gain
    rests_on = figures["rests_on"]
    assert (rests_on["problem"], len(rests_on["notes"])) == (None, 2)
    assert sum(rests_on["hits"]["taken"][kind] for kind in ("hits", "misses", "false_alarms", "correct_idles")) == 8
    assert any(line.startswith("Needed and acted: ") for line in lines)


def test_decisions_that_the_figures_leave_out_are_counted(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [date(2013, 4, 2), date(2013, 4, 3)])
    assert run_cli("impact calls_in_time --json").answer["unvalued"] == 0
    set_outcomes(small_workspace, "2013-04-02", [None, 1, 0, None])
    write_accounts(small_workspace, ["2013-04-02"], "replay")
    assert run_cli("impact calls_in_time --json").answer["unvalued"] == 2
    assert "\nThe outcome of 2 more decisions isn't known yet.\n" in run_cli("impact calls_in_time").out
    set_outcomes(small_workspace, "2013-04-02", [None] * 4)
    set_outcomes(small_workspace, "2013-04-03", [None] * 4)
    write_accounts(small_workspace, ["2013-04-02", "2013-04-03"], "replay")
    finished = run_cli("impact calls_in_time")
    assert (finished.code, finished.err.count("The outcome of 8 more decisions isn't known yet.")) == (1, 1)


def test_months_outside_their_forecast_are_counted_and_named() -> None:
    terms = [
        ChampionTerm(f"2013-0{month}-01", 30, ["v1"], None, None, 600, Interval(15, 10, 20), actual)
        for month, actual in enumerate((15.0, 5.0, 25.0), 4)
    ]
    assert describe_forecasts(ForecastRecord(terms, UNKNOWN)) == [
        "1 of 3 months came out within their forecast (90% were to be expected).",
        "The champion of 2013-05-01 gained +5 per 1,000: below the forecast (forecast: +10 to +20).",
        "The champion of 2013-06-01 gained +25 per 1,000: above the forecast (forecast: +10 to +20).",
    ]
    assert describe_forecasts(ForecastRecord([], UNKNOWN)) == []


def test_without_outcomes_it_says_how_to_run_the_chain(run_cli: RunCli) -> None:
    for track in ("replay", "live"):
        finished = run_cli(f"impact flight_delays --track {track}")
        assert (finished.code, finished.out) == (1, "")
        assert f"no decision with a known outcome on the {track} track" in finished.err
        assert "sixtyforty run flight_delays" in finished.err


def test_an_outdated_replay_says_so_and_reaches_no_target(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [date(2013, 4, 2), date(2013, 4, 3)])
    assert run_cli("impact calls_in_time --json").answer["outdated"] is None
    features = small_workspace.use_case.folder / "features.sql"
    sql = features.read_text()
    features.write_text(f"{sql} -- mended")
    outdated = (
        "The replay is outdated: 2 of 2 days were decided by an earlier declaration."
        " Run `sixtyforty run calls_in_time --from 2013-04-02 --to 2013-04-03 --rebuild-replay`."
    )
    finished = run_cli("impact calls_in_time")
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert lines[1] == outdated
    assert f"The target is EUR 100 per 1,000 calls. {outdated}" in lines
    answer = run_cli("impact calls_in_time --json").answer
    assert answer["outdated"] == outdated
    assert {term["above_target"] for term in answer["forecast"]["terms"]} <= {None}
    features.write_text(sql)
    assert "Outdated" not in run_cli("impact calls_in_time").out
