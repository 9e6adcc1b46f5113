"""The services for real: they start, are restarted when killed, and stop without leaving anything behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from pipelines.cli.app import main
from pipelines.operations import services
from pipelines.operations.service_health import find_unhealthy, is_healthy, shows_use_cases
from pipelines.operations.services import RunningServices, belongs_to_services
from pipelines.operations.supervisor import PROGRAMS, control, is_running, program_states, services_folder
from pipelines.runtime.launcher import find_run_process
from pipelines.settings import Settings, prepare_dagster_home
from tests.dagster_runs import create_dead_run, wait_for
from tests.homes import use_home
from tests.postgres import PASSWORD, Postgres

SENSOR = '{repositoryLocationName: "sixtyforty", repositoryName: "x", sensorName: "y"}'
START_SENSOR = f"mutation {{ startSensor(sensorSelector: {SENSOR}) {{ __typename }} }}"
JOB = '{repositoryLocationName: "sixtyforty", repositoryName: "__repository__", jobName: "housekeeping"}'
LAUNCH_RUN = (
    f"mutation {{ launchRun(executionParams: {{selector: {JOB}, runConfigData: {{}}}})"
    " { __typename ... on LaunchRunSuccess { run { runId } } } }"
)


@dataclass(frozen=True)
class Installation:
    """Running services on a PostgreSQL, in which a run was dead before the start."""

    settings: Settings
    running: RunningServices
    dead_run: str


def free_ports() -> tuple[int, int, int, int]:
    """Return four ports that nobody uses."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
        for each in (first, second, third, fourth):
            each.bind(("127.0.0.1", 0))
        return (*(each.getsockname()[1] for each in (first, second, third)), fourth.getsockname()[1])


def own_processes(settings: Settings) -> list[psutil.Process]:
    """Return the processes that the services started."""
    return [process for process in psutil.process_iter() if belongs_to_services(process, settings)]


def pids(settings: Settings) -> dict[str, int]:
    """Return the process id of each program; 0 while it does not run."""
    return {program["name"]: program["pid"] for program in control(settings).supervisor.getAllProcessInfo()}


def query(address: str, graphql: str) -> Any:
    """Send a GraphQL query to Dagster's pages."""
    content = json.dumps({"query": graphql}).encode()
    request = urllib.request.Request(f"{address}/graphql", content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Installation]:
    """Start the services."""
    monkeypatch = pytest.MonkeyPatch()
    settings = use_home(monkeypatch, tmp_path_factory.mktemp("up"), postgres.database())
    prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        dead_run = create_dead_run(instance)
    try:
        yield Installation(settings, services.up(*free_ports()), dead_run)
    finally:
        services.down()
        monkeypatch.undo()


@pytest.mark.e2e
def test_a_clean_start_logs_no_stack_trace(installation: Installation) -> None:
    logs = {path.stem: path.read_text() for path in (services_folder(installation.settings) / "logs").glob("*.log")}
    assert {"code", "webserver", "daemon"} <= set(logs)
    assert [name for name, text in logs.items() if "Traceback" in text or "Stack Trace" in text] == []


@pytest.mark.e2e
def test_they_start_once_and_doctor_finds_them(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    running = installation.running
    assert running.programs == dict.fromkeys([program.name for program in PROGRAMS], "RUNNING")
    addresses = {"pages": running.pages, "read_only": running.read_only, "desk": running.desk}
    assert list(find_unhealthy(installation.settings, addresses)) == []
    second = services.up(*free_ports())
    assert (second.pages, second.reaped) == (running.pages, [])
    assert main(["doctor", "--json"]) == 1
    things = {thing["thing"]: thing for thing in json.loads(capsys.readouterr().out)["things"]}
    not_ok = {name for name, thing in things.items() if not thing["ok"]}
    landing_zones = {name for name in things if name.startswith("landing zone of")}
    assert not_ok - {"watch"} == landing_zones | {"backup"}  # nothing has landed yet, and no backup was made
    assert not any("demo" in things[name]["cure"] for name in not_ok)
    assert things["services"]["ok"] and "daemon RUNNING" in things["services"]["found"]
    assert "postgresql 18" in things["database"]["found"]


@pytest.mark.e2e
def test_everything_listens_on_this_machine_only(installation: Installation) -> None:
    addresses = {
        connection.laddr.ip
        for process in own_processes(installation.settings)
        for connection in process.net_connections("inet")
        if connection.status == "LISTEN"
    }
    assert addresses == {"127.0.0.1"}
    # Other users cannot reach the sockets.
    assert oct(services_folder(installation.settings).stat().st_mode)[-3:] == "700"


@pytest.mark.e2e
@pytest.mark.parametrize("headers", [{"Host": "attacker.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_every_web_port_refuses_other_websites(installation: Installation, headers: dict[str, str]) -> None:
    running = installation.running
    for address in (running.pages, running.read_only, running.desk):
        request = urllib.request.Request(f"{address}/graphql", headers=headers)
        with pytest.raises(urllib.error.HTTPError, match=r"40[03]"):
            urllib.request.urlopen(request, timeout=60)


@pytest.mark.e2e
def test_the_read_only_pages_refuse_a_change(installation: Installation) -> None:
    refusal = query(installation.running.read_only, START_SENSOR)["data"]["startSensor"]["__typename"]
    assert refusal == "UnauthorizedError"
    assert query(installation.running.pages, START_SENSOR)["data"]["startSensor"]["__typename"] != refusal


@pytest.mark.e2e
def test_a_run_whose_process_is_gone_is_marked_failed(installation: Installation) -> None:
    assert installation.running.reaped == [installation.dead_run]
    assert status_of(installation.dead_run) == dg.DagsterRunStatus.FAILURE


def status_of(run_id: str) -> dg.DagsterRunStatus:
    """Return the status of a run."""
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.e2e
def test_a_killed_program_is_restarted(installation: Installation) -> None:
    settings, running = installation.settings, installation.running
    before = pids(settings)
    assert len(before) == len(PROGRAMS)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in before.values()))
    pages = {"pages": running.pages, "read_only": running.read_only}
    wait_for(lambda: not list(find_unhealthy(settings, pages)))
    after = pids(settings)
    assert all(after[name] not in (0, before[name]) for name in before)


def launch_run(running: RunningServices) -> str:
    """Launch the job `housekeeping` from the pages; return the run's id."""
    return str(query(running.pages, LAUNCH_RUN)["data"]["launchRun"]["run"]["runId"])


def process_of(run_id: str) -> int:
    """Wait until a run has a process, and return its id."""
    with dg.DagsterInstance.get() as instance:
        return int(wait_for(lambda: find_run_process(instance, run_id), pause=0.02).pid)


def successful_retry_of(run_id: str) -> str:
    """Wait until a retry of a failed run has succeeded, and return its id. A failed retry is retried, too."""
    with dg.DagsterInstance.get() as instance:

        def retries() -> list[dg.DagsterRun]:
            group = instance.get_run_group(run_id)
            return [run for run in group[1] if run.run_id != run_id] if group else []

        def successes() -> list[str]:
            return [run.run_id for run in retries() if run.status == dg.DagsterRunStatus.SUCCESS]

        try:
            return str(wait_for(successes)[0])
        except AssertionError as error:
            messages = [f"{run.run_id} {run.status} {run.tags}" for run in retries()]
            for entry in instance.all_logs(run_id):
                messages.append(f"{entry.timestamp:.1f} {entry.dagster_event_type} {entry.message}")
            raise AssertionError(f"{run_id} was not retried: {status_of(run_id)}\n" + "\n".join(messages)) from error


@pytest.mark.e2e
def test_a_run_killed_with_its_daemon_is_retried(installation: Installation) -> None:
    def kill_run_and_daemon() -> str | None:
        run_id = launch_run(installation.running)
        daemon = wait_for(lambda: pids(installation.settings)["daemon"])
        for pid in (process_of(run_id), daemon):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # The run may have succeeded before it was killed. Then another one has to be killed.
        return None if status_of(run_id) == dg.DagsterRunStatus.SUCCESS else run_id

    run_id = wait_for(kill_run_and_daemon)
    assert successful_retry_of(run_id)
    assert status_of(run_id) == dg.DagsterRunStatus.FAILURE


@pytest.mark.e2e
def test_no_secret_is_written_or_shown(installation: Installation) -> None:
    files = [path for path in installation.settings.home.rglob("*") if path.is_file()]
    assert [path for path in files if "services" in path.parts and path.suffix == ".conf"]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    commands = [process.cmdline() for process in own_processes(installation.settings)]
    assert not [command for command in commands if any(PASSWORD in word for word in command)]


@pytest.mark.e2e
def test_after_supervisor_was_killed_a_start_replaces_the_old_set(installation: Installation) -> None:
    settings = installation.settings
    os.kill(control(settings).supervisor.getPID(), signal.SIGKILL)
    orphans = wait_for(lambda: not is_running(settings) and own_processes(settings))
    services.up(*free_ports())
    current = own_processes(settings)
    assert not {process.pid for process in orphans} & {process.pid for process in current}
    assert sum("dagster_service daemon" in " ".join(process.cmdline()) for process in current) == 1


@pytest.mark.e2e
def test_a_run_that_is_active_at_a_stop_is_retried_at_the_next_start(installation: Installation) -> None:
    settings = installation.settings
    run_id = launch_run(services.up(*free_ports()))
    process_of(run_id)
    services.down()
    assert own_processes(settings) == []
    status = status_of(run_id)
    services.up(*free_ports())
    assert status == dg.DagsterRunStatus.SUCCESS or successful_retry_of(run_id)
    services.down()
    assert program_states(settings) == {}
    assert main(["down"]) == 0  # Nothing runs, so there is nothing to stop.


def test_doctor_reports_services_that_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres: Postgres
) -> None:
    use_home(monkeypatch, tmp_path, postgres.database())
    main(["doctor", "--json"])
    things = {thing["thing"]: thing for thing in json.loads(capsys.readouterr().out)["things"]}
    assert (things["services"]["ok"], things["services"]["cure"]) == (False, "Start the services: make up")


@pytest.mark.parametrize("check", [is_healthy, shows_use_cases])
def test_a_page_that_does_not_answer_is_missing(check: Callable[[str], bool]) -> None:
    assert not check(f"http://127.0.0.1:{free_ports()[0]}")
