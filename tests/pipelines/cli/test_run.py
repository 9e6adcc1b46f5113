"""Commands that run the chain: run and fetch-training-data."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipelines.authoring import loader
from pipelines.operations.run import RunFailedError
from sixtyforty.spec.errors import DeclarationError, DeclarationProblem
from sixtyforty.spec.use_case import UseCase
from tests.pipelines.conftest import RunCli

DAYS = "--from 2013-06-01 --to 2013-06-02"


def test_a_run_that_fails_is_exit_code_1(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RunFailedError("Run 1 failed: flight_delays__features: out of paper")

    monkeypatch.setattr("pipelines.operations.run.run_range", fail)
    finished = run_cli(f"run flight_delays {DAYS}")
    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "sixtyforty: Run 1 failed: flight_delays__features: out of paper\n"


def test_run_passes_on_days_stages_and_time(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []

    def run_range(*arguments: object, select: object, rebuild_replay: bool) -> str:
        calls.append((*arguments, select, rebuild_replay))
        return "the run's id"

    monkeypatch.setattr("pipelines.operations.run.run_range", run_range)
    options = "--as-of 2013-06-02T10:00 --select raw/weather,validated/weather --select features"
    finished = run_cli(f"run flight_delays {DAYS} {options} --json")
    assert (finished.code, finished.answer) == (0, {"run_id": "the run's id", "runs": ["the run's id"]})
    stages = ["raw/weather", "validated/weather", "features"]
    days = (date(2013, 6, 1), date(2013, 6, 2))
    assert calls == [("flight_delays", *days, "2013-06-02T10:00:00", "replay", stages, False)]


@pytest.mark.parametrize(
    ("track", "file", "starts"),
    [
        ("live", "features.sql", True),
        ("replay", "features.sql", False),
        ("live", "current_process.sql", False),
        ("live", "defs.yaml", False),
    ],
)
def test_a_live_run_starts_although_features_sql_cannot_run(
    track: str, file: str, starts: bool, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = DeclarationProblem(loader.FOLDER / "flight_delays" / file, 7, "", "the SQL can't run: no column lod")

    def load(*_: object, sql: bool = False) -> UseCase:
        if sql:
            raise DeclarationError("flight_delays", [problem])
        return loader.load_declaration(loader.FOLDER / "flight_delays")

    monkeypatch.setattr("pipelines.authoring.catalog.load_use_case", load)
    monkeypatch.setattr("pipelines.operations.run.run_range", lambda *_, **__: "the run's id")
    finished = run_cli(f"run flight_delays {DAYS} --track {track}")
    assert (finished.code, "Run the run's id succeeded" in finished.out) == ((0, True) if starts else (1, False))
    assert f"{file}:7: the SQL can't run: no column lod." in finished.err
    assert ("The current process decides until features.sql is corrected." in finished.err) is starts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--select ,", "--select names no chain stage."),
        ("--select ' '", "--select names no chain stage."),
        ("--select featurs", "flight_delays has no chain stage 'featurs'. Did you mean features?"),
        ("--select Raw/weather", "flight_delays has no chain stage 'Raw/weather'. Did you mean raw/weather?"),
        ("--select 'raw/weather, wether'", "flight_delays has no chain stage 'wether'."),
    ],
)
def test_a_typo_in_a_stage_is_one_line_before_the_sql_check_and_any_file(
    options: str, message: str, run_cli: RunCli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "sql_problems", lambda *_: pytest.fail("the SQL was checked"))
    finished = run_cli(f"run flight_delays {DAYS} {options}")
    assert (finished.code, finished.out) == (1, "")
    lines = finished.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"sixtyforty: {message}"), finished.err
    assert not home.exists()


def test_a_time_with_an_offset_is_converted_to_utc(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[object] = []

    def run_range(use_case: str, first: date, last: date, as_of: str, *_: object, **__: object) -> str:
        times.append(as_of)
        return "1"

    monkeypatch.setattr("pipelines.operations.run.run_range", run_range)
    for time in ("2013-06-02T12:00+02:00", "2013-06-02T10:00Z", "'2013-06-02 10:00'", "20130602T10"):
        assert run_cli(f"run flight_delays {DAYS} --as-of {time}").code == 0
    assert times == ["2013-06-02T10:00:00"] * 4


def test_partitions_per_run_split_the_range(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []

    def run_in_parallel(*arguments: object) -> list[str]:
        calls.append(arguments)
        return ["one", "two"]

    monkeypatch.setattr("pipelines.operations.parallel_backfill.run_in_parallel", run_in_parallel)
    finished = run_cli(f"run flight_delays {DAYS} --partitions-per-run 1 --json")
    assert (finished.code, finished.answer) == (0, {"run_id": None, "runs": ["one", "two"]})
    assert calls == [("flight_delays", date(2013, 6, 1), date(2013, 6, 2), 1, "replay", None)]
    assert run_cli(f"run flight_delays {DAYS} --partitions-per-run 1").out == "2 runs succeeded.\n"
    finished = run_cli(f"run flight_delays {DAYS} --partitions-per-run 1 --select features")
    assert (finished.code, "exclude each other" in finished.err) == (1, True)


def test_fetching_a_models_data_needs_a_target(run_cli: RunCli) -> None:
    finished = run_cli("fetch-training-data flight_delays --model 0123456789abcdef")
    assert (finished.code, "--model needs a target folder. Add --to FOLDER." in finished.err) == (1, True)


def test_a_use_case_without_a_published_recipe_has_nothing_to_train_again(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "data/recipe/household_offers/recipe.json.dvc"
    monkeypatch.setattr("sixtyforty.storage.dvc_versions.DvcVersions.fetch_pointers", lambda _: [other])
    finished = run_cli("fetch-training-data flight_delays")
    assert (finished.code, "has no recipe of flight_delays" in finished.err) == (1, True)


def test_a_replay_is_made_again_only_as_a_whole_chain_of_the_replay(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, object]] = []

    def run_range(*_: object, **options: object) -> str:
        calls.append(options)
        return "the run's id"

    monkeypatch.setattr("pipelines.operations.run.run_range", run_range)
    assert run_cli(f"run flight_delays {DAYS} --rebuild-replay").code == 0
    assert calls == [{"select": None, "rebuild_replay": True}]
    for option, message in (
        ("--track live", "can't recalculate live decisions"),
        ("--select features", "runs every chain stage"),
        ("--partitions-per-run 1", "runs every chain stage"),
    ):
        finished = run_cli(f"run flight_delays {DAYS} --rebuild-replay {option}")
        assert (finished.code, finished.out, message in finished.err) == (1, "", True)
    run_cli("stage flight_delays --retire --why 'the route was closed'")
    finished = run_cli(f"run flight_delays {DAYS} --rebuild-replay")
    assert (finished.code, "the replay can't be rebuilt, because the use case has ended: retired." in finished.err) == (
        1,
        True,
    )
    assert len(calls) == 1
