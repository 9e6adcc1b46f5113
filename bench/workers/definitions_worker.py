"""Load the definitions of the project in the current folder, and tick its sensors. Print seconds as JSON.

    python -m bench.workers.definitions_worker REPETITIONS

Each repetition is a process forked from a process that has done the imports, so no state remains from an earlier
repetition. The first repetition warms up, and the last repetition also ticks the sensors.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

TICKS = 2  # the first tick reads the landed extracts; the second tick is timed


def main() -> None:
    """Print `assets`, `import_s`, `load_s` (one figure per repetition), `peak_mb` and `tick_s` (one per sensor)."""
    started = time.perf_counter()
    import pipelines.definitions

    if not Path(pipelines.definitions.__file__).is_relative_to(Path.cwd()):
        raise SystemExit(
            f"{pipelines.definitions.__file__} is outside the current folder. Set PYTHONPATH to the current folder."
        )
    import_seconds, repetitions = time.perf_counter() - started, int(sys.argv[1])
    loads = [load_in_fork(with_ticks=number == repetitions) for number in range(repetitions + 1)]
    figures = loads[-1] | {
        "import_s": import_seconds,
        "load_s": [load["load_s"] for load in loads[1:]],
        "peak_mb": max(load["peak_mb"] for load in loads),
    }
    print("\n" + json.dumps(figures))


def load_in_fork(with_ticks: bool) -> dict[str, Any]:
    """Load the definitions in a forked process, and return the figures of `load`."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(write_end, "w") as pipe:
            json.dump(load(with_ticks), pipe)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(text))


def load(with_ticks: bool) -> dict[str, Any]:
    """Load the definitions, and with `with_ticks` tick the sensors.

    Return seconds, the number of assets, and the peak memory in MB after loading.
    """
    from pipelines.definitions import defs

    started = time.perf_counter()
    definitions = defs()
    repository = definitions.get_repository_def()
    assets = len(repository.asset_graph.get_all_asset_keys())
    load_seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    ticks = tick_sensors(definitions, repository) if with_ticks else []
    return {"load_s": load_seconds, "assets": assets, "peak_mb": peak, "tick_s": ticks}


def tick_sensors(definitions: dg.Definitions, repository: dg.RepositoryDefinition) -> list[float]:
    """Tick the new-data sensor of each use case twice, and return the seconds of the second ticks."""
    import dagster as dg

    from assets.resources import ProjectHome
    from pipelines.settings import prepare_dagster_home

    settings = prepare_dagster_home()
    home = ProjectHome(settings.home, settings.database_url, settings.dvc_remote, settings.lake)
    seconds = []
    with dg.DagsterInstance.get() as instance:
        for sensor in repository.sensor_defs:
            if not sensor.name.endswith("_new_data"):
                continue
            for _ in range(TICKS):
                started = time.perf_counter()
                with dg.build_sensor_context(
                    instance=instance, definitions=definitions, resources={"project_home": home}
                ) as context:
                    sensor.evaluate_tick(context)
                duration = time.perf_counter() - started
            seconds.append(duration)
    return seconds


if __name__ == "__main__":
    main()
