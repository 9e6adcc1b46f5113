"""Each private name of Dagster that the project uses still does what the project needs of it."""

import ast
import importlib
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType, SensorInstigatorData

from pipelines.runtime import dagster_internals as internals
from pipelines.runtime import dagster_internals_assets as assets_internals
from pipelines.runtime import dagster_internals_daemon as daemon_internals
from pipelines.runtime import dagster_internals_events as events_internals
from pipelines.runtime import dagster_internals_jobs as jobs_internals
from pipelines.runtime import dagster_internals_webserver as webserver_internals
from pipelines.settings import ROOT, prepare_dagster_home
from tests.homes import use_home

SOURCE = Path(internals.__file__).read_text()
PRODUCT_PACKAGES = ("assets", "desk", "expectations", "pipelines", "sixtyforty")
DAYS = dg.DailyPartitionsDefinition("2013-06-01", end_date="2013-06-06")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, tmp_path)
    prepare_dagster_home()
    return tmp_path


@dg.op
def nothing() -> None: ...


@dg.job
def idle_job() -> None:
    nothing()


def test_no_other_product_module_uses_private_names() -> None:
    modules = (
        internals,
        assets_internals,
        daemon_internals,
        events_internals,
        jobs_internals,
        webserver_internals,
    )
    allowed = {Path(module.__file__) for module in modules}
    private = re.compile(r"\bdagster(_\w+)?\._|\bdg\._")
    files = [f for package in PRODUCT_PACKAGES for f in (ROOT / package).rglob("*.py") if f not in allowed]
    assert [str(f.relative_to(ROOT)) for f in files if private.search(f.read_text())] == []
    assert private.search(SOURCE)


def test_each_entry_states_its_purpose_and_its_replacement() -> None:
    """A definition says so in its docstring, an exported name in the comment above its group."""
    others = (assets_internals, events_internals, jobs_internals, webserver_internals)
    modules = (SOURCE, *(Path(module.__file__).read_text() for module in others))
    public = [
        node
        for module in modules
        for node in ast.parse(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert len(public) > 10
    for node in public:
        text = ast.get_docstring(node) or ""
        assert "Purpose" in text and "If Dagster removes" in text, node.name
    exports = SOURCE[SOURCE.index("__all__") : SOURCE.index("# Purpose: modules that a run's process imports")]
    groups = re.findall(r"((?:    # .*\n)+)((?:    \"\w+\",\n)+)", exports)
    named = {name for _, names in groups for name in re.findall(r"\"(\w+)\"", names)}
    assert named == set(internals.__all__)
    assert all("Purpose:" in comment and "Without it:" in comment for comment, _ in groups)


def test_the_modules_of_a_run_exist() -> None:
    for name in internals.MODULES_OF_A_RUN:
        importlib.import_module(name)


def test_event_types_are_sets_that_hold_materializations_and_checks() -> None:
    assert dg.DagsterEventType.ASSET_MATERIALIZATION in internals.ASSET_EVENTS
    assert dg.DagsterEventType.ASSET_CHECK_EVALUATION in internals.ASSET_CHECK_EVENTS
    assert dg.DagsterEventType.STEP_START not in internals.ASSET_EVENTS | internals.ASSET_CHECK_EVENTS


def test_the_tables_have_the_columns_that_are_read_and_written() -> None:
    events, checks = internals.SqlEventLogStorageTable.c, internals.AssetCheckExecutionsTable.c
    assert {"id", "run_id", "dagster_event_type", "asset_key", "partition"} <= set(events.keys())
    assert {
        *("id", "run_id", "asset_key", "check_name", "partition", "execution_status", "evaluation_event"),
        *("evaluation_event_storage_id", "evaluation_event_timestamp", "materialization_event_storage_id"),
    } <= set(checks.keys())
    statuses = internals.AssetCheckExecutionRecordStatus
    assert [s.value for s in (statuses.PLANNED, statuses.SUCCEEDED, statuses.FAILED)] == [
        "PLANNED",
        "SUCCEEDED",
        "FAILED",
    ]
    assert internals.SQLITE_BUSY_TIMEOUT_SECONDS > 0


def test_tags_are_those_that_dagster_documents() -> None:
    tags = internals.partition_range_tags("2013-06-01", "2013-06-05")
    assert tags == {
        "dagster/asset_partition_range_start": "2013-06-01",
        "dagster/asset_partition_range_end": "2013-06-05",
    }
    assert internals.partition_range(tags) == ("2013-06-01", "2013-06-05")
    assert internals.partition_range({}) is None
    assert internals.WILL_RETRY_TAG == "dagster/will_retry"


def test_a_run_over_a_range_of_partitions_is_one_step(home: Path) -> None:
    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def daily(context: dg.AssetExecutionContext) -> None:
        context.log.info(" ".join(context.partition_keys))

    with dg.DagsterInstance.get() as instance:
        tags = internals.partition_range_tags("2013-06-02", "2013-06-04")
        run = dg.materialize([daily], instance=instance, tags=tags)
        messages = [entry.user_message for entry in instance.all_logs(run.run_id)]
    assert "2013-06-02 2013-06-03 2013-06-04" in messages


def test_new_run_ids_differ() -> None:
    assert internals.new_run_id() != internals.new_run_id()


def test_a_worker_finds_the_code_of_a_job(home: Path) -> None:
    origin = internals.code_origin("pipelines.definitions", "defs", "housekeeping")
    assert origin.job_name == "housekeeping"
    with dg.DagsterInstance.get() as instance:
        arguments = internals.ExecuteRunArgs(origin, "a run", instance.get_ref())
        assert arguments.job_origin == origin


def test_execute_run_reports_a_run_that_does_not_exist(home: Path) -> None:
    from dagster_shared.serdes import serialize_value

    with dg.DagsterInstance.get() as instance:
        origin = internals.code_origin("pipelines.definitions", "defs", "housekeeping")
        arguments = internals.ExecuteRunArgs(origin, "00000000-0000-0000-0000-000000000000", instance.get_ref())
    with pytest.raises(Exception, match="not found for run execution"):
        internals.execute_run(serialize_value(arguments))


def test_a_launcher_knows_its_instance_and_answers_run_monitoring(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, internals.RunLauncher) and isinstance(launcher, internals.ConfigurableClass)
        assert internals.instance_of(launcher) is instance
        run = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTING)
        assert internals.LaunchRunContext(run, None).dagster_run == run
        answer = launcher.check_run_worker_health(run)
    assert answer == internals.CheckRunHealthResult(internals.WorkerStatus.RUNNING)
    assert internals.WorkerStatus.NOT_FOUND != internals.WorkerStatus.UNKNOWN


def test_storages_share_the_engine_that_they_use(postgres) -> None:
    from dagster_postgres import DagsterPostgresStorage

    url = postgres.database()
    storage = DagsterPostgresStorage(url, should_autocreate_tables=True)
    engine, connections = sa.create_engine(url, isolation_level="AUTOCOMMIT"), list[object]()
    sa.event.listen(engine, "checkout", lambda *_: connections.append(1))
    parts = [storage.run_storage, storage.event_log_storage, storage.schedule_storage]
    internals.share_engine(parts, engine)
    assert storage.run_storage.get_runs() == []
    assert storage.event_log_storage.all_asset_keys() == []
    assert list(storage.schedule_storage.all_instigator_state()) == []
    assert len(connections) >= 3
    engine.dispose()


def test_daemons_without_a_heartbeat_are_named(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert not internals.are_daemons_live(instance)
        assert {"sensor", "scheduler"} <= set(internals.unhealthy_daemons(instance, time.time()))


def test_cron_times_are_utc_and_follow_the_start() -> None:
    start = datetime(2013, 6, 1, 12, tzinfo=UTC)
    times = internals.cron_times("30 3 * * *", start.timestamp())
    assert next(times) == datetime(2013, 6, 2, 3, 30, tzinfo=UTC)
    assert next(times) - start == timedelta(days=1, hours=15, minutes=30)


def test_the_state_of_a_sensor_has_what_alerts_read() -> None:
    read = {"name", "is_running", "instigator_origin_id", "selector_id", "instigator_data"}
    assert read <= set(dir(internals.InstigatorState))


def test_a_storage_uses_the_event_log_that_it_names(tmp_path: Path) -> None:
    class Log(internals.SqliteEventLog):
        opened: ClassVar[list[str]] = []

        def connection(self, shard: str):
            self.opened.append(shard)
            engine = sa.create_engine(self.conn_string_for_shard(shard))
            self.ensure_schema(shard, engine)
            return engine.begin()

        def has_schema(self, engine: sa.Engine) -> bool:
            return bool(sa.inspect(engine).get_table_names())

    class Storage(internals.SqliteStorage):
        def event_log_in(self, folder: str) -> Log:
            return Log(folder)

    storage = Storage.from_local(str(tmp_path))
    assert isinstance(storage.event_log_storage, Log)
    assert storage.event_log_storage.all_asset_keys() == []
    assert storage.run_storage.get_runs() == []
    assert set(Log.opened) == {"index"}
    storage.event_log_storage.forget_shard("index")
    assert storage.event_log_storage.all_asset_keys() == []
    with storage.event_log_storage.lock:
        assert storage.event_log_storage.lock.locked()


def test_a_sensor_under_a_new_name_keeps_its_state_and_cursor(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("sixtyforty"), "__repository__"), "calls_new_data"
        )
        data = SensorInstigatorData(cursor="17", last_run_key="k")
        for name in ("calls_new_data", "calls_late_new_data"):
            state = internals.InstigatorState(
                origin._replace(instigator_name=name), InstigatorType.SENSOR, InstigatorStatus.RUNNING, data
            )
            instance.add_instigator_state(state)
        for _ in range(2):  # the second call changes nothing
            internals.rename_automation(instance, {"calls_new_data": "visits_new_data", "calls_retrain": "x"})
            states = {state.name: state for state in instance.all_instigator_state()}
            assert set(states) == {"visits_new_data", "calls_late_new_data"}
            assert states["visits_new_data"].is_running
            assert states["visits_new_data"].instigator_data == data
        internals.rename_automation(instance, {"visits_new_data": None})
        assert [state.name for state in instance.all_instigator_state()] == ["calls_late_new_data"]


def test_a_run_of_a_command_names_the_code_location_of_the_pages(home: Path) -> None:
    """Dagster lists a run below its job, and in the timeline, only if the run names repository and code location."""
    label = {"location": internals.CODE_LOCATION, "repository": "__repository__"}
    with dg.DagsterInstance.get() as instance:
        with internals.runs_of_code_location(instance, idle_job.name):
            run_id = idle_job.execute_in_process(instance=instance).run_id
        other = idle_job.execute_in_process(instance=instance).run_id
        tag = {".dagster/repository": "{repository}@{location}".format(**label)}
        assert [run.run_id for run in instance.get_runs(dg.RunsFilter(tags=tag))] == [run_id]
        origin = instance.get_run_by_id(run_id).remote_job_origin
        assert (origin.job_name, origin.location_name) == (idle_job.name, internals.CODE_LOCATION)
        assert instance.get_run_by_id(other).remote_job_origin is None
