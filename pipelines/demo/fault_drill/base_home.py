"""Build the live home that the drill copies for each fault: five weeks of history, a champion, and half a live day."""

from __future__ import annotations

import os
import shutil
from datetime import date, timedelta
from pathlib import Path

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.home import DrillHome, create_home
from pipelines.demo.drill.plan import midnight
from pipelines.demo.fault_drill.scene import LIVE, OWNER, Scene
from sixtyforty.storage.response_log import close_response_logs
from sixtyforty.workspace import Workspace

FIRST = date(2013, 1, 1)
LAST = date(2013, 2, 11)  # the last day whose extracts may land
HOURS = 10  # hours of the first live day that the home has lived through
STEP = 2  # hours; after more hours, the inputs of a decision count as late
TO_COME = "to_come"
REPLACED = (".parquet", ".csv")  # a new content of such files is a new file under the same name


def build_base_home(folder: Path, first: date = FIRST, hours: int = HOURS) -> Scene:
    """Build the home in a new folder, and return it after the first look of the watch.

    first: the first day of the history. A history that is shorter than the features look back gives no champion, so the
    current process decides. hours: of the first live day that the home lives through. Raises DrillError if a command
    fails.
    """
    home = create_home(folder / "home", {OWNER: "json://localhost", "SIXTYFORTY_BACKUP_HOURS": "24"})
    eve = LIVE - timedelta(days=1)
    flights.land(home.landing_zone, first, eve)
    home.set_clock(midnight(LIVE))
    if (eve - first).days > catalog.load_use_case(flights.USE_CASE).lookback_partitions:
        home.run_stages(first, eve, "features", "outcomes")
        home.evaluate(lambda: _put_champion_in_force(catalog.open_workspace(flights.USE_CASE)))
    flights.land(folder / TO_COME, LIVE, LAST, hourly=True)
    for name in flights.REFERENCE:
        (folder / TO_COME / name).unlink()
    scene = Scene(home, midnight(LIVE), folder / TO_COME)
    _back_up(scene, folder / "backup")
    for _ in range(0, hours, STEP):
        scene.advance(STEP)
    scene.look()
    return scene


def _put_champion_in_force(ws: Workspace) -> None:
    """Train on the history, promote the model in the replay, and adopt it."""
    from sixtyforty.lifecycle.champions import adopt_champion
    from sixtyforty.modeling.trainer import train_models
    from sixtyforty.modeling.training_plan import plan_training

    plan = plan_training(ws.use_case, ws.lake, LIVE)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(train_models(ws.models, ws.use_case.kpi, [plan.version]))
    ws.champion_ledger.append(
        track="replay",
        version=plan.version,
        verdict="PROMOTE",
        kind="first",
        as_of=f"{LIVE}",
        effective_from=midnight(LIVE).isoformat(),
        reasons=["The drill needs a champion."],
    )
    adopt_champion(ws, by="the drill", why="the drill goes live", now=midnight(LIVE))


def _back_up(scene: Scene, folder: Path) -> None:
    from pipelines.operations.backup import backup

    scene.home.evaluate(lambda: backup(folder))


def copy_scene(base: Scene, folder: Path) -> Scene:
    """Copy a scene into a folder, which is emptied first. Tables and extracts are linked: a writer replaces them."""
    close_response_logs()  # this process may hold the database of an earlier copy in the same folder open
    shutil.rmtree(folder, ignore_errors=True)

    def copy_file(source: str, target: str) -> None:
        if source.endswith(REPLACED):
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    shutil.copytree(
        base.home.folder, folder, symlinks=True, copy_function=copy_file, ignore=shutil.ignore_patterns("*.sock")
    )
    old, new = str(base.home.folder), str(folder)
    environment = {name: text.replace(old, new) for name, text in base.home.environment.items()}
    scene = Scene(DrillHome(folder, environment), base.now, base.to_come)
    scene.home.set_clock(base.now)
    return scene
