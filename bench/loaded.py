"""Loads the definitions of the project it lies in, and ticks its sensors: prints seconds as JSON.

python -m bench.loaded [--tick]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Entry point."""
    begun = time.perf_counter()
    import dagster as dg

    from pipelines.definitions import defs
    from pipelines.profiles import prepare

    assert Path(sys.modules["pipelines.definitions"].__file__ or "").is_relative_to(Path.cwd()), "another's definitions"
    imported = time.perf_counter()
    loaded = defs()
    repository = loaded.get_repository_def()
    assets = len(repository.asset_graph.get_all_asset_keys())
    found = {"import_s": imported - begun, "load_s": time.perf_counter() - imported, "assets": assets, "tick_s": []}
    if "--tick" in sys.argv:
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
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
