"""The households' chain in Dagster, up to its first campaign: the money, who was chosen and why, what is said of it."""

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

FIRST, LAST, CAMPAIGN = date(2017, 1, 1), date(2017, 7, 29), "2017-06-25"  # a month later its outcome is known
ELEVEN = re.compile(rb"(?<!\d)\d{11}(?!\d)")  # baskets have eleven digits

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which the chain ran from January to the campaign of 23 July."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("SIXTYFORTY_HOME", str(folder))
    for name in ("SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE", "SIXTYFORTY_PROFILE", "SIXTYFORTY_LAKE"):
        patch.delenv(name, raising=False)
    demo.land(catalog.open_workspace(demo.USE_CASE).landing.folder, FIRST, LAST)
    run_range(demo.USE_CASE, FIRST, LAST)
    yield folder
    patch.undo()


def say(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    """The command's answer."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def losses() -> dict[int, tuple[float, float]]:
    """Of each eligible household, from the source: how far it had fallen before the day, and its loss after."""
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
    return {h: (fallen, loss) for h, fallen, loss in rows}


def worth(some: list[float]) -> float:
    return sum(0.05 * loss - 2 for loss in some)


def test_the_money_is_that_of_a_plain_script(home, capsys):
    found, households = say(capsys, "impact", demo.USE_CASE), losses()
    assert (found["from"], found["to"], found["decisions"]) == (CAMPAIGN, CAMPAIGN, len(households))
    by_rule = sorted(households.values(), key=lambda x: -x[0])[:250]
    assert found["totals"]["current_process"] == pytest.approx(worth([loss for _, loss in by_rule]), abs=0.01)
    worst = sorted((loss for _, loss in households.values()), reverse=True)[:250]
    assert found["totals"]["perfect_foresight"] == pytest.approx(worth(worst), abs=0.01)
    decided = say(capsys, "decisions", demo.USE_CASE, "--date", CAMPAIGN)["decisions"]
    offered = [d["household_id"] for d in decided if d["action"] == "offer"]
    assert len(offered) == 250
    assert found["total"] == pytest.approx(worth([households[h][1] for h in offered]), abs=0.01)
    assert found["total"] > found["totals"]["current_process"] > found["totals"]["random_choice"]


def test_the_one_that_is_worth_most_is_chosen_not_the_one_that_predicts_best(home, capsys):
    ws = catalog.open_workspace(demo.USE_CASE)
    judged = ws.champion_ledger.promotions("replay")
    assert [r.as_of for r in judged] == [CAMPAIGN, "2017-07-23"]
    for row in judged:
        assert ws.models.card(row.version)["recipe"]["estimator"].endswith("HistGradientBoostingRegressor")
        (said,) = (r for r in row.reasons if "worth most of the candidates" in r)
        model, drop = (float(v) for v in re.findall(r"(?:model|sharp_drop) (-?\d+)", said))
        assert model > 0 > drop
        assert "these figures are assumed" in row.reasons


def test_a_campaign_whose_weeks_are_not_over_is_decided_and_not_accounted_for(home, capsys):
    decided = say(capsys, "decisions", demo.USE_CASE, "--date", "2017-07-23")["decisions"]
    assert sum(d["action"] == "offer" for d in decided) == 250
    assert say(capsys, "impact", demo.USE_CASE)["to"] == CAMPAIGN


def test_all_that_is_said_of_it_is_assumed_and_simulated(home, capsys):
    assert say(capsys, "impact", demo.USE_CASE)["label"] == "assumed"
    page = (home / "data" / "reports" / demo.USE_CASE / "impact.html").read_text()
    assert "simulated data" in page
    assert page.count(">assumed<") >= 5
    assert "surely" not in page
    record = say(capsys, "model-record", demo.USE_CASE)["record"]
    assert "The figures are **assumed**" in record
    assert "SIMULATED" in record


def test_a_holdout_is_designed_and_the_poc_goes_no_further(home, capsys):
    design = say(capsys, "holdout", demo.USE_CASE)["design"]
    assert design["always"]["units"] > design["once"]["units"] > 100_000
    assert design["units_a_day"] == pytest.approx(2020 / 28, rel=0.02)
    assert main(["stage", demo.USE_CASE, "--advance", "--why", "why not"]) == 1
    assert "declares no gate" in capsys.readouterr().err


def test_no_basket_is_named_where_people_look(home):
    """In reports, Data Docs, and all that Dagster keeps; the lake and what is delivered must name it."""
    source = duckdb.sql(f"select distinct basket_id from read_parquet('{find_packaged_file(*demo.SOURCE)}')").fetchall()
    baskets, looked = {str(b).encode() for (b,) in source}, 0
    assert {len(b) for b in baskets} == {11}
    for folder in ("reports", "dagster"):
        for file in (home / "data" / folder).rglob("*"):
            if file.is_file():
                looked += 1
                assert not baskets.intersection(ELEVEN.findall(file.read_bytes())), file
    assert looked > 5
