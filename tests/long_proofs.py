"""The size of long proofs: `make prove` sets `LONG_PROOFS=1` and runs them whole. The test suite runs a part."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
RUN_WHOLE = os.environ.get("LONG_PROOFS") == "1"


def draw(items: Sequence[T], count: int, seed: int = 1) -> list[T]:
    """Return `count` of the items in their order, drawn at random; all items in a long proof."""
    if RUN_WHOLE:
        return list(items)
    drawn = set(random.Random(seed).sample(range(len(items)), min(count, len(items))))
    return [item for position, item in enumerate(items) if position in drawn]
