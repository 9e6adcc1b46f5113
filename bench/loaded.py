"""Loads the definitions of the project it lies in, and ticks its sensors: prints seconds as JSON.

    python -m bench.loaded TIMES

Each time in a process of its own, forked from one that has made the imports, so that nothing is left from the time
before; the last of them ticks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Entry point."""
    begun = time.perf_counter()
    import pipelines.definitions

    assert Path(pipelines.definitions.__file__).is_relative_to(Path.cwd()), "another's definitions"
    imported, times = time.perf_counter() - begun, int(sys.argv[1])
    found = [_forked(number == times) for number in range(times + 1)]
    print("\n" + json.dumps(found[-1] | {"import_s": imported, "load_s": [one["load_s"] for one in found[1:]]}))


def _forked(tick: bool) -> dict[str, Any]:
    """What a child found."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        with os.fdopen(writing, "w") as out:
            json.dump(_loaded(tick), out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return dict(json.loads(text))


def _loaded(tick: bool) -> dict[str, Any]:
    import dagster as dg

    from pipelines.definitions import defs
    from pipelines.settings import prepare

    begun = time.perf_counter()
    loaded = defs()
    repository = loaded.get_repository_def()
    assets = len(repository.asset_graph.get_all_asset_keys())
    found: dict[str, Any] = {"load_s": time.perf_counter() - begun, "assets": assets, "tick_s": []}
    if tick:
        from assets.resources import Place

        chosen = prepare()
        place = Place(chosen.home, chosen.database_url, chosen.dvc_remote, chosen.lake)
        sensors = [s for s in repository.sensor_defs if s.name.endswith("_new_data")]
        with dg.DagsterInstance.get() as instance:
            for sensor in sensors:
                for _ in range(2):  # the first one reads what has landed
                    ticked = time.perf_counter()
                    with dg.build_sensor_context(
                        instance=instance, definitions=loaded, resources={"place": place}
                    ) as context:
                        sensor.evaluate_tick(context)
                    took = time.perf_counter() - ticked
                found["tick_s"].append(took)
    return found


if __name__ == "__main__":
    main()
