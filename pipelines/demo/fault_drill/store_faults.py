"""Faults of what is stored: damaged or lost files of the lake, of models, of the database and of Dagster's storage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pipelines.demo import flights
from pipelines.demo.fault_drill.fault import Fault
from pipelines.demo.fault_drill.scene import LIVE, Scene

FAILED = ("failed run", "failed in")
UNSCORED = ("can't score",)
Change = Callable[[bytes], bytes | None]


def lost(content: bytes) -> None:
    """Return None: the file is deleted."""


def cut(content: bytes) -> bytes:
    """Return the first half of a file."""
    return content[: len(content) // 2]


def overwritten(content: bytes) -> bytes:
    """Return other bytes of the same length."""
    return b"\x17" * len(content)


def file_in_lake(scene: Scene, dataset: str, suffix: str) -> Path:
    """Return the file of a dataset on the day before the live one, or of its newest partition if it has none.

    The partition of the live day is written again with each extract, which would mend it.
    """
    paths = sorted((scene.data / "lake" / flights.USE_CASE / dataset).rglob(f"*{suffix}"))
    return next((path for path in paths if path.name.startswith(f"{LIVE - timedelta(days=1)}")), paths[-1])


def change_in_lake(dataset: str, suffix: str, change: Change) -> Callable[[Scene], None]:
    """Return a function that changes a file of a dataset."""

    def plant(scene: Scene) -> None:
        path = file_in_lake(scene, dataset, suffix)
        scene.write(path, change(path.read_bytes()))

    return plant


def change_model_file(name: str, change: Change) -> Callable[[Scene], None]:
    """Return a function that changes a file of the champion in force."""

    def plant(scene: Scene) -> None:
        ws = scene.ws
        path = Path(str(ws.models.folder(ws.champion_ledger.promotions("live")[-1].version))) / name
        scene.write(path, change(path.read_bytes()))

    return plant


def change_champion_ledger(change: Change) -> Callable[[Scene], None]:
    """Return a function that changes the file of the champion ledger."""

    def plant(scene: Scene) -> None:
        path = Path(str(scene.ws.champion_ledger.path))
        scene.write(path, change(path.read_bytes()))

    return plant


def block_dataset(scene: Scene) -> None:
    """Replace the folder of the features by a file, so that nothing can be written into it."""
    _replace_by_file(scene, scene.data / "lake" / flights.USE_CASE / "features")


def block_lake(scene: Scene) -> None:
    """Replace the lake by a file, as a failed mount leaves it."""
    _replace_by_file(scene, scene.data / "lake")


def _replace_by_file(scene: Scene, folder: Path) -> None:
    aside = folder.with_name(f"{folder.name}_aside")
    folder.rename(aside)
    folder.touch()

    def restore() -> None:
        if folder.is_dir():
            shutil.rmtree(folder)
        else:
            folder.unlink()
        aside.rename(folder)

    scene.undo.append(restore)


def damage_deliveries(scene: Scene) -> None:
    """Overwrite the header of the delivery database."""
    path = scene.data / "deliveries.sqlite"
    scene.write(path, b"damaged by a disk" + path.read_bytes()[17:])


def block_deliveries(scene: Scene) -> None:
    """Put a folder in place of the delivery database: it can't be opened."""
    path = scene.data / "deliveries.sqlite"
    scene.write(path, None)
    path.mkdir()


def damage_run_storage(scene: Scene) -> None:
    """Overwrite the header of Dagster's database of runs."""
    path = next((scene.data / "dagster").rglob("runs.db"))
    scene.write(path, b"damaged by a disk" + path.read_bytes()[17:])


FAULTS = [
    Fault("lake: validated movements lost", change_in_lake("validated/movements", ".parquet", lost), FAILED, hours=1),
    Fault("lake: validated weather cut", change_in_lake("validated/weather", ".parquet", cut), FAILED, hours=1),
    Fault(
        "lake: raw movements overwritten",
        change_in_lake("raw/movements", ".parquet", overwritten),
        ("verify_records",),
        hours=1,
        is_found_at_night=True,
    ),
    Fault(
        "lake: manifest of features cut",
        change_in_lake("features", ".json", cut),
        ("verify_records",),
        hours=1,
        is_found_at_night=True,
    ),
    Fault(
        "lake: manifest of decisions overwritten",
        change_in_lake("decisions/live", ".json", overwritten),
        (*FAILED, "cannot examine"),
        hours=1,
    ),
    Fault("lake: decisions lost", change_in_lake("decisions/live", ".parquet", lost), FAILED, hours=1),
    Fault("lake: folder of features is a file", block_dataset, FAILED, hours=1),
    Fault("lake: replaced by a file", block_lake, ("cannot examine the lake",), hours=1),
    Fault("model: file lost", change_model_file("model.skops", lost), UNSCORED, hours=1),
    Fault("model: card lost", change_model_file("card.json", lost), UNSCORED, hours=1),
    Fault("model: card overwritten", change_model_file("card.json", overwritten), UNSCORED, hours=1),
    Fault("champion ledger: lost", change_champion_ledger(lost), ("ledger", *FAILED), hours=1),
    Fault("champion ledger: cut within a row", change_champion_ledger(cut), ("ledger", *FAILED), hours=1),
    Fault("delivery database: damaged", damage_deliveries, FAILED, hours=1),
    Fault("delivery database: can't be opened", block_deliveries, FAILED, hours=1),
    Fault("Dagster's database: damaged", damage_run_storage, ("cannot examine",)),
]
