"""The production set for real: it comes up, is started again when killed, and goes down without leaving anything."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from pipelines.cli import main
from pipelines.operations import services
from pipelines.operations.services import PROGRAMS, ServicesError
from pipelines.runtime.launcher import last_seen
from pipelines.settings import Profile, prepare, profile
from tests.postgres import PASSWORD, Postgres

PORTS = {"port": 3000, "readonly_port": 3001, "desk_port": 3002}
LONG = 400  # seconds; a busy machine starts five Pythons slowly


def until(true: Callable[[], Any], seconds: float = LONG, pause: float = 0.3) -> Any:
    """Waits for it, and returns it."""
    limit = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < limit, "it didn't come about"
        time.sleep(pause)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def set_up(patch: pytest.MonkeyPatch, home: Path, url: str | None = None) -> Profile:
    patch.setenv("SIXTYFORTY_HOME", str(home))
    patch.setenv("DAGSTER_HOME", "")
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE", "SIXTYFORTY_LAKE"):
        patch.delenv(name, raising=False)
    if url:
        patch.setenv("SIXTYFORTY_PROFILE", "production")
        patch.setenv("SIXTYFORTY_DATABASE_URL", url)
    return profile()


def ours(chosen: Profile) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if services._is_ours(p, chosen)]


def pids(chosen: Profile) -> dict[str, int]:
    return {p["name"]: p["pid"] for p in services._supervisor(chosen).supervisor.getAllProcessInfo()}


def ask(address: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def idle() -> None:
    """A job for runs that are only spoken of."""
    nothing()


def died(instance: dg.DagsterInstance) -> str:
    """A run whose process was killed: it says it has started, in a process that is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTING)
    from dagster._core.events import EngineEventData

    instance.report_engine_event("started", run, EngineEventData.in_process(gone.pid))
    instance.handle_new_event(_started(run))
    return run.run_id


def _started(run: dg.DagsterRun) -> dg.EventLogEntry:
    event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, run.job_name)
    return dg.EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        job_name=run.job_name,
        dagster_event=event,
    )


@pytest.fixture(scope="module")
def lived(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> Iterator[tuple[Profile, dict[str, Any], str]]:
    """The set, up on a PostgreSQL, where a run had died before."""
    patch = pytest.MonkeyPatch()
    chosen = set_up(patch, tmp_path_factory.mktemp("up"), postgres.database())
    prepare()
    with dg.DagsterInstance.get() as instance:
        dead = died(instance)
    try:
        yield chosen, services.up(free_port(), free_port(), free_port()), dead
    finally:
        services.down()
        patch.undo()


@pytest.mark.e2e
def test_it_comes_up_and_says_where(lived, capsys):
    _, found, _ = lived
    assert found["programs"] == dict.fromkeys([p.name for p in PROGRAMS], "RUNNING")
    assert services.sees_definitions(found["pages"]) and services.sees_definitions(found["read_only"])
    assert services.answers(found["desk"])
    again = services.up(free_port(), free_port(), free_port())  # nothing is started twice
    assert (again["pages"], again["reaped"]) == (found["pages"], [])
    assert main(["doctor", "--json"]) == 0
    things = {t["thing"]: t for t in json.loads(capsys.readouterr().out)["things"]}
    assert things["services"]["ok"] and "daemon RUNNING" in things["services"]["found"]
    assert "postgresql 18" in things["database"]["found"]


@pytest.mark.e2e
def test_everything_listens_on_this_machine_only(lived):
    chosen, _, _ = lived
    listening = {c.laddr.ip for p in ours(chosen) for c in p.net_connections("inet") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    assert oct(services.folder(chosen).stat().st_mode)[-3:] == "700"  # sockets can't be reached by others


@pytest.mark.e2e
def test_who_may_only_look_can_only_look(lived):
    _, found, _ = lived
    wish = 'mutation { startSensor(sensorSelector: {repositoryLocationName: "sixtyforty", repositoryName: "x", sensorName: "y"}) { __typename } }'  # noqa: E501
    refused = ask(found["read_only"], wish)["data"]["startSensor"]["__typename"]
    assert refused == "UnauthorizedError"
    assert ask(found["pages"], wish)["data"]["startSensor"]["__typename"] != refused


@pytest.mark.e2e
def test_a_run_that_died_with_its_machine_is_told_so(lived):
    _, found, dead = lived
    assert found["reaped"] == [dead]
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(dead)
        assert run is not None and run.status == dg.DagsterRunStatus.FAILURE


@pytest.mark.e2e
def test_what_is_killed_is_started_again(lived):
    chosen, found, _ = lived
    before = pids(chosen)
    assert len(before) == 6
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(psutil.pid_exists(pid) for pid in before.values()))
    until(lambda: not list(services._missing(chosen, {k: found[k] for k in ("pages", "read_only")})))
    after = {name: pids(chosen)[name] for name in before}
    assert all(after[name] not in (0, before[name]) for name in before)


def launched(found: dict[str, Any]) -> str:
    """Launches the job `housekeeping` from the pages; returns the run."""
    selector = """{repositoryLocationName: "sixtyforty", repositoryName: "__repository__", jobName: "housekeeping"}"""
    wish = f"mutation {{ launchRun(executionParams: {{selector: {selector}, runConfigData: {{}}}})"
    answer = ask(found["pages"], wish + " { __typename ... on LaunchRunSuccess { run { runId } } } }")
    return str(answer["data"]["launchRun"]["run"]["runId"])


def worker(run_id: str) -> int:
    """The process in which the run is, once there is one."""
    with dg.DagsterInstance.get() as instance:
        return int(until(lambda: last_seen(instance, run_id), pause=0.02)[0])


def tried_again(run_id: str) -> dg.DagsterRun:
    """The run that took the failed one's place, once it has ended well."""
    with dg.DagsterInstance.get() as instance:
        again = dg.RunsFilter(tags={"dagster/parent_run_id": run_id}, statuses=[dg.DagsterRunStatus.SUCCESS])
        found: list[dg.DagsterRun] = until(lambda: instance.get_runs(again))
        return found[0]


@pytest.mark.e2e
def test_a_run_killed_with_its_daemon_is_tried_again(lived):
    chosen, found, _ = lived

    def killed() -> str | None:
        run_id = launched(found)
        for pid in (worker(run_id), until(lambda: pids(chosen)["daemon"])):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with dg.DagsterInstance.get() as instance:  # it may have been quicker
            return None if instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.SUCCESS else run_id  # type: ignore[union-attr]

    run_id = until(killed)
    assert tried_again(run_id)
    with dg.DagsterInstance.get() as instance:
        assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]


@pytest.mark.e2e
def test_no_secret_is_written_or_shown(lived):
    chosen, _, _ = lived
    files = [p for p in chosen.home.rglob("*") if p.is_file()]
    assert [p for p in files if "services" in p.parts and p.suffix == ".conf"]
    assert [p for p in files if PASSWORD.encode() in p.read_bytes()] == []
    assert not [p for p in ours(chosen) if any(PASSWORD in word for word in p.cmdline())]


@pytest.mark.e2e
def test_after_supervisor_was_killed_the_set_starts_once_and_then_stops_whole(lived):
    chosen, _, _ = lived
    os.kill(services._supervisor(chosen).supervisor.getPID(), signal.SIGKILL)
    orphans = until(lambda: not services.running(chosen) and ours(chosen))
    services.up(free_port(), free_port(), free_port())
    assert not {p.pid for p in orphans} & {p.pid for p in ours(chosen)}
    assert sum("dagster-daemon" in " ".join(p.cmdline()) for p in ours(chosen)) == 1
    services.down()
    assert ours(chosen) == []


@pytest.mark.e2e
def test_a_run_under_way_when_the_set_is_stopped_goes_on_at_the_next_start(lived):
    chosen, _, _ = lived
    run_id = launched(services.up(free_port(), free_port(), free_port()))
    worker(run_id)
    services.down()
    assert ours(chosen) == []
    with dg.DagsterInstance.get() as instance:
        left = instance.get_run_by_id(run_id)
    services.up(free_port(), free_port(), free_port())
    assert left is not None and (left.status == dg.DagsterRunStatus.SUCCESS or tried_again(run_id))
    services.down()
    assert services.states(chosen) == {}
    assert main(["down"]) == 0  # nothing is there to stop


def test_a_home_too_deep_for_sockets_is_told(tmp_path, monkeypatch):
    chosen = set_up(monkeypatch, tmp_path / ("deep" * 30))
    with pytest.raises(ServicesError, match="shorter"):
        services._configure(chosen, PORTS)


def test_odd_letters(monkeypatch):
    from supervisor.options import ServerOptions

    with tempfile.TemporaryDirectory() as short:  # the path of a socket can't be long
        chosen = set_up(monkeypatch, Path(short) / "a home & more")
        config = services._configure(chosen, PORTS)
        options = ServerOptions()
        options.realize(["-c", str(config)])
    commands = {g.name: g.process_configs[0].command for g in options.process_group_configs}
    assert set(commands) == {p.name for p in PROGRAMS}
    assert f"'{services.folder(chosen)}/code.sock'" in commands["code"]
    assert all(f"{b} " in commands[n] for n, b in (("webserver", "127.0.0.1"), ("readonly", "127.0.0.1")))
    assert commands["desk"].endswith("sixtyforty desk --port 3002")


def test_a_path_that_supervisor_would_read_otherwise_is_refused(tmp_path, monkeypatch):
    chosen = set_up(monkeypatch, tmp_path.parent / "50% home")
    with pytest.raises(ServicesError, match="%"):
        services._configure(chosen, PORTS)


def test_doctor_tells_when_nothing_is_up(tmp_path, monkeypatch, capsys, postgres):
    set_up(monkeypatch, tmp_path, postgres.database())
    main(["doctor", "--json"])
    things = {t["thing"]: t for t in json.loads(capsys.readouterr().out)["things"]}
    assert (things["services"]["ok"], things["services"]["cure"]) == (False, "start them: make up")
