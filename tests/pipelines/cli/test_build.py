"""Commands that start a use case: demo, new and land-demo-data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.demo.registry import DEMOS
from pipelines.demo.year import DemoYear
from tests.pipelines.conftest import RunCli


def test_landing_lists_the_extracts_and_their_folder(run_cli: RunCli, home: Path) -> None:
    finished = run_cli("land-demo-data flight_delays --from 2013-06-12 --to 2013-06-12 --json")
    folder = Path(finished.answer["folder"])
    assert finished.code == 0
    assert folder == home / "data" / "landing" / "flight_delays"
    assert set(finished.answer["files"]) == {path.name for path in folder.iterdir()}
    assert "movements_2013-06-12_2013-06-12.csv" in finished.answer["files"]
    finished = run_cli("land-demo-data flight_delays --from 2013-06-12 --to 2013-06-12 --hourly")
    assert (finished.code, finished.out.strip().endswith(f"extracts in {folder}")) == (0, True)
    assert (folder / "movements_2013-06-12T16Z.csv").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("flight_delays --from 2012-01-01 --to 2012-01-02", "no demo data from 2012-01-01 to 2012-01-02"),
        ("flight_delays --from 2013-06-02 --to 2013-06-01", "Choose days from 2013-01-01 to 2014-01-01"),
        ("household_offers --hourly", "land weekly. Leave out --hourly."),
        ("churn", "There is no demo data for 'churn'. Choose one of: flight_delays, household_offers."),
    ],
)
def test_landing_refuses_what_the_demo_does_not_have(line: str, message: str, run_cli: RunCli) -> None:
    finished = run_cli(f"land-demo-data {line}")
    assert (finished.code, finished.out) == (1, "")
    assert message in finished.err


@dataclass(frozen=True)
class FakeImpact:
    """The answer of a replaced `impact`."""

    text: str

    def payload(self) -> dict[str, Any]:
        return {"text": self.text}


@pytest.mark.parametrize(
    ("line", "use_cases"), [("demo", list(DEMOS)), ("demo household_offers", ["household_offers"])]
)
def test_the_demo_runs_each_use_case_and_ends_with_figures_and_pages(
    line: str, use_cases: list[str], run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def run_year(name: str, show_progress: object) -> DemoYear:
        done.append(name)
        return DemoYear(f"title of {name}", Path(name) / "impact.html", 12 if name == "household_offers" else 0)

    def run_portfolio_report() -> Path:
        done.append("portfolio")
        return Path("portfolio.html")

    monkeypatch.setattr("pipelines.demo.year.run_year", run_year)
    monkeypatch.setattr("pipelines.demo.year.run_portfolio_report", run_portfolio_report)
    monkeypatch.setattr("pipelines.cli.impact.impact", lambda name: FakeImpact(f"figures of {name}"))
    finished = run_cli(line)
    assert (finished.code, done) == (0, [*use_cases, "portfolio"])
    for name in use_cases:
        assert f"title of {name}\nfigures of {name}\n" in finished.out
        assert f"{name}/impact.html: the gain of the decisions" in finished.out
    assert "(people's responses are simulated: 12)" in finished.out
    assert "portfolio.html: all use cases side by side" in finished.out
    assert list(run_cli(f"{line} --json").answer["use_cases"]) == use_cases


def test_new_refuses_a_name_that_is_taken(run_cli: RunCli) -> None:
    finished = run_cli("new flight_delays")
    assert (finished.code, finished.out) == (1, "")
    assert "flight_delays" in finished.err


def test_new_refuses_a_shape_for_a_copy(run_cli: RunCli) -> None:
    finished = run_cli("new copied --like nowhere --shape amount")
    assert (finished.code, finished.out) == (1, "")
    assert "--like and --shape exclude each other" in finished.err
