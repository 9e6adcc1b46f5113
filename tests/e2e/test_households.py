"""The households' chain in Dagster up to its first campaign: the money, the champion and the labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.authoring import catalog
from pipelines.cli.app import main
from pipelines.demo import households as demo
from pipelines.demo.landing import find_packaged_file
from pipelines.operations.run import run_range

FIRST, LAST, CAMPAIGN = (
    date(2017, 1, 1),
    date(2017, 7, 29),
    "2017-06-25",
)  # the outcome of a campaign is known a month later
BASKET_ID = re.compile(rb"(?<!\d)\d{11}(?!\d)")  # eleven digits

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home where the chain ran from January to the campaign of 23 July."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("SIXTYFORTY_HOME", str(folder))
    for name in ("SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE", "SIXTYFORTY_PROFILE", "SIXTYFORTY_LAKE"):
        patch.delenv(name, raising=False)
    demo.land(catalog.open_workspace(demo.USE_CASE).landing.folder, FIRST, LAST)
    run_range(demo.USE_CASE, FIRST, LAST)
    yield folder
    patch.undo()


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """Run a command and return its JSON output."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def losses() -> dict[int, tuple[float, float]]:
    """Return, by eligible household, the drop in spending before the campaign and the loss after it."""
    rows = duckdb.sql(
        f"""with trips as (
            select household_id, basket_id, sum(sales_value) as spend,
                (min(transaction_timestamp) - interval 4 hour)::date as day  -- within daylight saving time
            from read_parquet('{find_packaged_file(*demo.SOURCE)}') group by all),
        household as (
            select household_id, count(*) filter (day >= '2017-04-02' and day < '{CAMPAIGN}') as trips,
                coalesce(sum(spend) filter (day >= '2017-04-02' and day < '{CAMPAIGN}'), 0) / 3 as usual,
                coalesce(sum(spend) filter (day >= '2017-05-28' and day < '{CAMPAIGN}'), 0) as last4,
                coalesce(sum(spend) filter (day >= '{CAMPAIGN}' and day < '2017-07-23'), 0) as next4
            from trips group by all)
        select household_id, usual - last4, greatest(usual - next4, 0) from household where trips >= 3"""
    ).fetchall()
    return {household: (drop, loss) for household, drop, loss in rows}


def value_of_offers(losses_of_households: list[float]) -> float:
    return sum(0.05 * loss - 2 for loss in losses_of_households)


def test_the_money_equals_that_of_a_plain_script(home, capsys):
    impact, households = ask(capsys, "impact", demo.USE_CASE), losses()
    assert (impact["from"], impact["to"], impact["decisions"]) == (CAMPAIGN, CAMPAIGN, len(households))
    by_rule = sorted(households.values(), key=lambda x: -x[0])[:250]
    assert impact["totals"]["current_process"] == pytest.approx(
        value_of_offers([loss for _, loss in by_rule]), abs=0.01
    )
    worst = sorted((loss for _, loss in households.values()), reverse=True)[:250]
    assert impact["totals"]["perfect_foresight"] == pytest.approx(value_of_offers(worst), abs=0.01)
    decided = ask(capsys, "decisions", demo.USE_CASE, "--date", CAMPAIGN)["decisions"]
    offered = [d["household_id"] for d in decided if d["action"] == "offer"]
    assert len(offered) == 250
    assert impact["total"] == pytest.approx(value_of_offers([households[h][1] for h in offered]), abs=0.01)
    assert impact["total"] == impact["totals"]["current_process"] > impact["totals"]["random_choice"]


def test_with_two_campaigns_no_model_may_decide(home):
    ws = catalog.open_workspace(demo.USE_CASE)
    assert ws.champion_ledger.promotions("replay") == []
    verdicts = ws.champion_ledger.verdicts("replay")
    assert {row.as_of for row in verdicts} == {CAMPAIGN, "2017-07-23"}
    for row in verdicts:
        assert row.verdict == "HOLD"
        assert row.reasons[0].startswith("too early to judge")
        assert "the challenger's gain is assumed: the action may change the outcome" in row.reasons


def test_the_recipe_with_the_highest_value_is_judged_first(home):
    ws, first = catalog.open_workspace(demo.USE_CASE), {}
    for row in ws.champion_ledger.verdicts("replay"):
        first.setdefault(row.as_of, row)
    for row in first.values():
        assert ws.models.card(row.version).recipe.estimator.endswith("HistGradientBoostingRegressor")
        (reason,) = (r for r in row.reasons if "highest walk-forward value per 1,000 decisions" in r)
        amounts = re.findall(r"(?:model|sharp_drop) (-?)\$([\d,]+)", reason)
        model, drop = (float(sign + amount.rstrip(",").replace(",", "")) for sign, amount in amounts)
        assert model > 0 > drop


def test_a_campaign_without_known_outcomes_is_decided_but_not_accounted_for(home, capsys):
    decided = ask(capsys, "decisions", demo.USE_CASE, "--date", "2017-07-23")["decisions"]
    assert sum(d["action"] == "offer" for d in decided) == 250
    assert ask(capsys, "impact", demo.USE_CASE)["to"] == CAMPAIGN


def test_every_figure_is_labelled_assumed_and_simulated(home, capsys):
    assert ask(capsys, "impact", demo.USE_CASE)["label"] == "assumed"
    page = (home / "data" / "reports" / demo.USE_CASE / "impact.html").read_text()
    assert "simulated data" in page
    assert page.count(">assumed<") >= 5
    assert "surely" not in page
    record = ask(capsys, "model-record", demo.USE_CASE)["record"]
    assert "The figures are **assumed**" in record
    assert "SIMULATED" in record


def test_a_holdout_is_designed_and_the_stage_cannot_advance(home, capsys):
    design = ask(capsys, "holdout", demo.USE_CASE)["design"]
    assert design["always"]["units"] > design["once"]["units"] > 100_000
    assert design["units_a_day"] == pytest.approx(2020 / 28, rel=0.02)
    assert main(["stage", demo.USE_CASE, "--advance", "--why", "why not"]) == 1
    assert "declares no gate" in capsys.readouterr().err


def test_no_basket_id_is_shown_to_people(home):
    """Search reports, Data Docs and Dagster's storage. Only the lake and the deliveries hold basket ids."""
    source = duckdb.sql(f"select distinct basket_id from read_parquet('{find_packaged_file(*demo.SOURCE)}')").fetchall()
    baskets, searched = {str(basket).encode() for (basket,) in source}, 0
    assert {len(b) for b in baskets} == {11}
    for folder in ("reports", "dagster"):
        for file in (home / "data" / folder).rglob("*"):
            if file.is_file():
                searched += 1
                assert not baskets.intersection(BASKET_ID.findall(file.read_bytes())), file
    assert searched > 5
