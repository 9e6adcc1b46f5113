"""Dagster's pages of a source with a rejected day and a day whose correction was rejected, opened in Chromium."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.page_links import rows_address
from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.operations.run import RunFailedError, run_range
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from tests.backfills import evaluate_freshness, run_backfill
from tests.browsers import open_chromium
from tests.homes import use_home
from tests.webservers import open_webserver

FIRST, DAY, LAST = date(2013, 12, 3), date(2013, 12, 4), date(2013, 12, 5)  # the plots show the newest partitions
STAGES = ["raw/weather", "validated/weather"]
WAIT = 60_000  # milliseconds

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def land_weather(folder: Path, name: str, rows: list[list[str]]) -> None:
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    """A tab, and the address of the source's page: DAY has 1 row, and a correction of LAST is wrong.

    The business time is the day after LAST. Nothing has come for five days since.
    """
    patch, home = pytest.MonkeyPatch(), tmp_path_factory.mktemp("home")
    use_home(patch, home)
    (home / "clock").write_text(f"{LAST + timedelta(1)}T12:00:00")
    patch.setenv(CLOCK_FILE_VARIABLE, str(home / "clock"))
    folder = catalog.open_workspace("flight_delays").landing.folder
    flights.land(folder, FIRST, LAST)
    name = f"weather_{FIRST}_{LAST}.csv"
    head, *rows = csv.reader((folder / name).read_text().splitlines())
    first, rejected, last = (
        [row for row in rows if row[head.index("day")] == str(day.day)] for day in (FIRST, DAY, LAST)
    )
    land_weather(folder, name, [head, *first, rejected[0], *last])
    run_range("flight_delays", FIRST, LAST, select=STAGES)
    days = [f"{day}" for day in (FIRST, DAY, LAST)]
    assert run_backfill("three_days", "flight_delays", STAGES, days) == "COMPLETED_FAILED"
    for row in last:
        row[head.index("temp")] = "99999"
    land_weather(folder, f"weather_{LAST}_{LAST}.csv", [head, *last])
    with pytest.raises(RunFailedError, match="no partition of the run is accepted"):
        run_range("flight_delays", LAST, LAST, select=STAGES)
    evaluate_freshness(days=5)
    with open_webserver(home) as url, open_chromium() as chromium:
        tab = chromium.new_page(viewport={"width": 1500, "height": 950})
        tab.set_default_timeout(WAIT)
        address = f"{url}/assets/flight_delays/validated/weather"
        tab.goto(f"{address}?view=partitions")  # Dagster's first page of a session drops the partition in its address
        tab.get_by_text("Failed (2)").wait_for()
        yield tab, address
    patch.undo()


def test_the_page_of_a_rejected_day_says_failed_and_has_an_event(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address}?view=partitions&partition={DAY}")
    tab.get_by_text("failed, and did not materialize this asset").wait_for()
    tab.get_by_text("View all historical events (2)").wait_for()


def test_a_day_with_a_bad_correction_is_failed_and_names_what_is_in_force(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address}?view=partitions&partition={LAST}")
    tab.get_by_text("failed, and did not materialize this asset").wait_for()
    tab.get_by_text("The version that was accepted earlier stays in force").first.wait_for()


def test_the_check_shows_each_day_and_names_the_rejected_days(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address}?view=checks&checkDetail=partitions_rejected_now")
    tab.get_by_text("2 partitions rejected at present").first.wait_for()
    tab.get_by_text("row count is 1, expected 50 to 75").first.wait_for()
    tab.goto(f"{address}?view=checks&checkDetail=contract")
    tab.get_by_text("Automation history").wait_for()
    tab.get_by_role("tab", name="Partitions").last.click()
    tab.get_by_text("Failed (2)").wait_for()
    tab.get_by_text("Passed (1)").wait_for()


def test_the_run_list_has_a_failed_run_for_each_rejection(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address.partition('/assets')[0]}/runs")
    tab.get_by_text("sixtyforty/rejected_by").first.wait_for()
    assert tab.get_by_text("Failure", exact=True).count() == 3


def test_a_backfill_of_a_range_fails_at_the_rejected_day_alone(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address.partition('/assets')[0]}/runs/b/three_days")
    tab.get_by_text("100% completed").nth(1).wait_for()
    shown = " ".join(tab.inner_text("body").split())
    for stage, counts in (("raw", "3 0 3 0"), ("validated", "3 0 2 1")):  # targeted, in progress, succeeded, failed
        assert f"{stage} / weather 100% completed {counts}" in shown
    tab.goto(f"{address.partition('/assets')[0]}/runs/b/three_days?tab=runs")
    tab.get_by_text("sixtyforty/rejected_by").first.wait_for()
    tab.get_by_text(f"partition: {DAY}").first.wait_for()


def test_the_page_of_a_silent_source_is_red(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address}?view=overview")
    policy = tab.get_by_text("Freshness policy", exact=True).last.locator(
        "xpath=ancestor::*[contains(., 'Fails if')][1]"
    )
    policy.get_by_text("Fails if more than 4 days since last materialization").wait_for()
    assert policy.get_by_text("Failed", exact=True).is_visible()


def test_a_link_opens_the_first_rows_on_the_same_port(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address}?view=overview")
    with tab.context.expect_page() as opened:
        tab.get_by_role("link", name=rows_address("flight_delays", "validated/weather")).first.click()
    rows = opened.value
    rows.get_by_role("heading", name="validated/weather").wait_for()
    assert f"Partition {LAST}" in rows.locator("p.lead").inner_text()
    rows.get_by_role("link", name=f"{FIRST}").click()
    rows.get_by_text(f"Partition {FIRST}").wait_for()
    rows.close()


def test_runs_of_commands_are_listed_below_their_job_and_in_the_timeline(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address.partition('/assets')[0]}/locations/sixtyforty/jobs/flight_delays/runs")
    tab.get_by_text("Success", exact=True).first.wait_for()
    tab.goto(f"{address.partition('/assets')[0]}/overview/activity/timeline")
    tab.locator("a[href$='/jobs/flight_delays']").wait_for()
    assert tab.locator("a[href$='/jobs/household_offers']").count() == 0, "jobs without runs are left out"


def test_the_page_of_a_sensor_says_what_it_waits_for(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address.partition('/assets')[0]}/locations/sixtyforty/sensors/flight_delays_new_data")
    tab.get_by_text("Waits for new, changed and late extracts").first.wait_for()
    tab.get_by_text("Latest tick").first.wait_for()


def test_the_graph_shows_raw_and_validated_rows_in_boxes_of_their_own(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address.partition('/assets')[0]}/asset-groups")
    for group in ("flight_delays_raw", "flight_delays_validated"):
        tab.get_by_text(group, exact=True).first.wait_for()


def test_figures_are_plotted_by_partition(pages: tuple[Any, str]) -> None:
    tab, address = pages
    tab.goto(f"{address}?view=overview")
    tab.get_by_role("button", name="Plots", exact=True).or_(tab.get_by_text("Plots", exact=True)).first.click()
    tab.locator("canvas").first.wait_for()
    assert "rows" in tab.inner_text("body")
