"""Manipulations of an insider, which the nightly verification must name: those of the drill of a week."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.demo.drill.manipulations import MANIPULATIONS, Manipulation
from pipelines.demo.fault_drill.fault import Fault
from pipelines.demo.fault_drill.scene import Scene

NAMED_AT_NIGHT = ("verify_records", "ledger")


def plant_manipulation(manipulate: Manipulation) -> Callable[[Scene], None]:
    """Return a function that manipulates the records of a home."""

    def plant(scene: Scene) -> None:
        scene.change(manipulate)

    return plant


FAULTS = [
    Fault(f"insider: {name}", plant_manipulation(manipulate), NAMED_AT_NIGHT, hours=1, is_found_at_night=True)
    for name, (manipulate, _) in MANIPULATIONS.items()
]
