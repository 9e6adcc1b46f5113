"""Faults of runs, of the daemon, of the watch's messages and of the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest.mock import patch

from pipelines.demo import flights
from pipelines.demo.drill.home import DrillError, unfinished_runs
from pipelines.demo.drill.plan import binary_garbage
from pipelines.demo.fault_drill.fault import Fault
from pipelines.demo.fault_drill.scene import SENSOR, Scene
from pipelines.operations import machine_watch
from pipelines.operations.backup_receipt import RECEIPT
from pipelines.runtime.dagster_internals_daemon import record_tick
from pipelines.runtime.launcher import find_run_process
from pipelines.settings import ROOT

if TYPE_CHECKING:
    import dagster as dg

HOUR = 3600.0
START_SECONDS = 300


def kill_run(scene: Scene) -> None:
    """Kill the process of a run (SIGKILL). The next look of Dagster's monitoring marks the run as failed."""
    from pipelines.automation.housekeeping import fail_dead_runs

    command = [sys.executable, "-m", "pipelines.cli", "run", flights.USE_CASE, "--from", "2013-02-05", "--to"]
    process = subprocess.Popen(
        [*command, "2013-02-05", "--select", "raw/weather,validated/weather,features"],
        env=scene.home.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not scene.home.evaluate(_has_run_process):
            if time.monotonic() > deadline or process.poll() is not None:
                raise DrillError(f"The run that the drill kills did not start in {START_SECONDS} s.")
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    scene.with_instance(fail_dead_runs)


def _has_run_process() -> bool:
    """Return whether the log of an unfinished run names its process. Before that, no run would be left behind."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        return any(find_run_process(instance, run.run_id) for run in unfinished_runs())


def kill_daemon(scene: Scene) -> None:
    """Let the watch look an hour later, while the daemon wrote no heartbeat."""
    scene.is_daemon_alive, scene.watch_ahead = False, HOUR


def silence_sensor(scene: Scene) -> None:
    """Let the watch look an hour later, while the daemon lives and the sensor wrote no tick."""
    scene.is_sensor_alive, scene.watch_ahead = False, HOUR


def fail_sensor(scene: Scene) -> None:
    """Let the last tick of the sensor fail."""

    def record(instance: dg.DagsterInstance) -> None:
        sensor = next(state for state in instance.all_instigator_state() if state.name == SENSOR)
        record_tick(instance, sensor, time.time(), ValueError("the sensor fails"))

    scene.is_sensor_alive = False
    scene.with_instance(record)


def set_clock_back(scene: Scene) -> None:
    """Set the clock of the watch back by an hour: the daemon's records then lie in the future."""
    scene.is_daemon_alive, scene.watch_ahead = False, -HOUR


def fail_messages(scene: Scene) -> None:
    """Let the address of the recipient fail at the first look, while there is something to report."""
    scene.spoiled["movements"] = binary_garbage
    scene.address_problem = "the server did not accept the message, or did not answer"


def fill_disk(scene: Scene) -> None:
    """Raise the limit of free bytes above what the disk has: filling the disk itself would harm this machine."""
    limit = patch.object(machine_watch, "ENOUGH_BYTES", 1 << 60)
    limit.start()
    scene.undo.append(limit.stop)


def age_backup(scene: Scene) -> None:
    """Let the newest backup be three days old."""
    path = scene.data / RECEIPT
    receipt = json.loads(path.read_bytes()) | {"made": (datetime.now(UTC) - timedelta(days=3)).isoformat()}
    scene.write(path, json.dumps(receipt).encode())


def lose_backup(scene: Scene) -> None:
    """Delete the record that a backup was ever made."""
    scene.write(scene.data / RECEIPT, None)


def lose_supervisor(scene: Scene) -> None:
    """Let the watch be a program of a Supervisor that was killed."""
    scene.home.environment[machine_watch.STARTED_BY_SUPERVISOR] = "1"
    scene.undo.append(lambda: scene.home.environment.pop(machine_watch.STARTED_BY_SUPERVISOR))


FAULTS = [
    Fault("run: killed", kill_run, ("failed run",)),
    Fault("daemon: killed", kill_daemon, ("no heartbeat",)),
    Fault("sensor: silent", silence_sensor, ("has been silent",)),
    Fault("sensor: fails", fail_sensor, ("failed when it last ran",)),
    Fault("clock: set back by an hour", set_clock_back, ("set back",)),
    Fault("messages: refused at the first look", fail_messages, ("is refused",), hours=1),
    Fault("disk: nearly full", fill_disk, ("free on the disk",)),
    Fault("backup: three days old", age_backup, ("newest backup",)),
    Fault("backup: none", lose_backup, ("no backup",)),
    Fault("supervisor: killed", lose_supervisor, ("supervisor was killed",)),
]
