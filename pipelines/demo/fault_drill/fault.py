"""A kind of fault, and what a drill saw of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.demo.fault_drill.scene import Scene


@dataclass(frozen=True)
class Fault:
    """A kind of fault, and by which words an alert names it.

    - plant: plants the fault in a copy of the home.
    - words: words that the text of the alert holds, any of them.
    - mend: does what the alert asks for. None: undo the planted changes.
    - hours: hours of the business clock from planting to the first sign. 0: the sign is there at once.
    - is_found_at_night: whether the nightly verification gives the first sign.
    """

    name: str
    plant: Callable[[Scene], None]
    words: tuple[str, ...]
    mend: Callable[[Scene], None] | None = None
    hours: int = 0
    is_found_at_night: bool = False


@dataclass(frozen=True)
class FaultReport:
    """What a drill saw of one fault.

    - effect: what happened to the chain.
    - lost: what was lost for good; empty if nothing was.
    - recipient: who was alerted; empty if nobody was.
    - look: the number of the look after the first sign, 1 or 2.
    - seconds: from the first sign to the alert.
    - kind: the kind of the alert.
    """

    name: str
    effect: str
    lost: str
    recipient: str
    look: int
    seconds: float
    kind: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing was lost and somebody was alerted."""
        return not self.lost and bool(self.recipient)
