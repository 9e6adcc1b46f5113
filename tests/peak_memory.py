"""The peak of the memory that Python and its arrays take while a function runs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable


def measure_peak(function: Callable[[], object]) -> int:
    """Call a function, and return by how many bytes the memory of Python and NumPy grew at most."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
