"""Which days a run accepts, and how a failed run is reported."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from assets.stage import REFUSED
from pipelines.operations.run import (
    RunFailedError,
    _finished_run_id,
    asset_key,
    list_refusals,
    open_partitions,
    require_stages,
    run_config,
)
from tests.helpers import make_use_case


def test_days_are_the_partitions_that_cover_them(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    days = ["2013-03-01", "2013-03-02", "2013-03-03"]
    assert open_partitions(use_case, date(2013, 3, 1), date(2013, 3, 3)) == days
    hourly = make_use_case(tmp_path / "hours", partitions={"every": "hour"})
    assert len(open_partitions(hourly, date(2013, 3, 1), date(2013, 3, 1))) == 24


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2013, 2, 27), date(2013, 3, 3)),
        (date(2013, 12, 30), date(2014, 1, 1)),
        (date(2013, 3, 3), date(2013, 3, 1)),
    ],
    ids=["too early", "too late", "last before first"],
)
def test_other_days_are_refused_with_the_existing_ones(tmp_path: Path, first: date, last: date) -> None:
    with pytest.raises(RunFailedError, match=f"from 2013-03-01 to 2013-12-31, you asked for {first} to {last}"):
        open_partitions(make_use_case(tmp_path), first, last)


def test_without_an_end_days_that_are_not_open_yet_are_refused(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, partitions={"end": None, "partitions_ahead": 2})
    today = datetime.now(UTC).astimezone(use_case.zone).date()
    assert open_partitions(use_case, today, today + timedelta(days=1))
    with pytest.raises(RunFailedError, match=f"to {today + timedelta(days=1)}"):
        open_partitions(use_case, today, today + timedelta(days=2))


def test_the_configuration_names_track_and_time() -> None:
    clock = {"track": "live", "as_of": "2013-06-01T10:00:00"}
    assert run_config("live", "2013-06-01T10:00:00")["resources"] == {"clock": {"config": clock}}
    assert run_config("replay", None)["resources"] == {"clock": {"config": {"track": "replay"}}}


def test_a_stage_is_an_asset_of_its_use_case() -> None:
    assert asset_key("calls", "raw/weather").path == ["calls", "raw", "weather"]


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("raw/wether", "calls has no chain stage 'raw/wether'. Did you mean raw/weather?"),
        ("xyz", "calls has no chain stage 'xyz'. Its chain stages: features, raw/weather."),
    ],
)
def test_a_stage_that_does_not_exist_is_refused(stage: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.asset(key=["calls", "raw", "weather"])
    def weather() -> None: ...

    @dg.asset(key=["calls", "features"])
    def features() -> None: ...

    definitions = dg.Definitions(assets=[weather, features], jobs=[dg.define_asset_job("calls")])
    monkeypatch.setattr("pipelines.definitions.defs", lambda: definitions)
    require_stages("calls", ["raw/weather", "features"])
    with pytest.raises(RunFailedError) as refusal:
        require_stages("calls", ["features", stage])
    assert str(refusal.value) == message


def test_what_a_failed_check_refuses_is_listed_with_its_reason() -> None:
    @dg.asset(
        key=["calls", "champion"], check_specs=[dg.AssetCheckSpec(name, asset=["calls", "champion"]) for name in "abc"]
    )
    def champion():  # type: ignore[no-untyped-def]  # Dagster reads annotations
        yield dg.Output(None)
        yield dg.AssetCheckResult(check_name="a", passed=False, metadata={REFUSED: "the file is rubbish"})
        yield dg.AssetCheckResult(check_name="b", passed=False, metadata={"rows": 1})
        yield dg.AssetCheckResult(check_name="c", passed=True)

    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([champion], instance=instance)
        assert list_refusals(instance, [run.run_id]) == ["champion: the file is rubbish"]


def test_a_reason_of_several_stages_is_listed_once() -> None:
    @dg.multi_asset(
        specs=[dg.AssetSpec(["calls", name]) for name in ("training_set", "champion", "kpi_impact")],
        check_specs=[
            dg.AssetCheckSpec("sound", asset=["calls", name]) for name in ("training_set", "champion", "kpi_impact")
        ],
    )
    def stages():  # type: ignore[no-untyped-def]  # Dagster reads annotations
        for name, reason in (("training_set", "too old"), ("champion", "too old"), ("kpi_impact", "too new")):
            yield dg.MaterializeResult(asset_key=["calls", name])
            yield dg.AssetCheckResult(
                asset_key=["calls", name], check_name="sound", passed=False, metadata={REFUSED: reason}
            )

    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([stages], instance=instance)
        assert list_refusals(instance, [run.run_id]) == ["champion, training_set: too old", "kpi_impact: too new"]


def test_a_failed_run_is_reported_with_the_root_cause_of_each_step() -> None:
    @dg.op(name="features")
    def fail() -> None:
        raise ValueError("out of paper")

    @dg.job
    def failing() -> None:
        fail()

    run = failing.execute_in_process(raise_on_error=False)
    with pytest.raises(RunFailedError, match=rf"Run {run.run_id} failed: features: ValueError: out of paper"):
        _finished_run_id(run)
    succeeded = SimpleNamespace(success=True, run_id="the run's id")
    assert _finished_run_id(succeeded) == "the run's id"  # type: ignore[arg-type]
