"""Celery workers as processes, each with a home of its own, and each pinned to a processor core if a core is named."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import psutil

from bench.measure import ROOT, BenchError, wait_until

SAMPLE_SECONDS = 0.1
SAMPLES_PER_SEARCH = 10  # a search for children reads all processes of the machine, so it isn't made for each sample


class Worker:
    """A running worker. `process` is Celery's process, whose child executes the runs.

    `peak_mb`: the highest memory so far of the child and the child's reader process together, in MB.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, str], core: int | None = None) -> None:
        """Start a worker with its home in `folder/name`, and wait until it takes runs. Raises BenchError if it doesn't.

        core: the only processor core that the worker and its children may use. None: they may use all.
        """
        log = folder / f"{name}.log"
        options = ["-n", f"{name}@%h", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = ["-A", "pipelines.runtime.celery_worker", "worker", "-Q", "dagster", "-c", "1", "-l", "INFO"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", *command, *options],
                cwd=ROOT,
                env={**os.environ, **settings, "SIXTYFORTY_HOME": str(folder / name)},
                stdout=output,
                stderr=output,
            )
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})  # before the process starts threads and children
        self.peak_mb = 0
        try:
            wait_until(lambda: b"ready." in log.read_bytes(), f"the worker is ready, see {log}")
        except BenchError:
            self.kill()
            raise
        threading.Thread(target=self._sample_memory, daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether the worker's process has not ended."""
        return self.process.poll() is None

    def cpu_seconds(self) -> float:
        """Return the processor seconds so far of the worker's children, which execute the runs."""
        times = [child.cpu_times() for child in psutil.Process(self.process.pid).children(recursive=True)]
        return sum(spent.user + spent.system for spent in times)

    def kill(self) -> None:
        """Kill the worker and its processes with SIGKILL."""
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def _sample_memory(self) -> None:
        children: list[psutil.Process] = []
        for number in count():
            if not self.is_running:
                return
            with suppress(psutil.NoSuchProcess):
                if number % SAMPLES_PER_SEARCH == 0:
                    children = psutil.Process(self.process.pid).children(recursive=True)
                resident = [child.memory_info().rss for child in children if child.is_running()]
                self.peak_mb = max(self.peak_mb, sum(resident) >> 20)
            threading.Event().wait(SAMPLE_SECONDS)
