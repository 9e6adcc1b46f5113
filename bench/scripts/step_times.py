"""Time the steps of a plain script, without the reading and writing of model files, which is timed separately.

A typical script would pickle its models, which takes almost no time. These scripts use skops files, as the chain does,
so the benchmark subtracts the seconds of skops. Otherwise the scripts would be slower than typical scripts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PROCESS_START = time.perf_counter() - time.process_time()  # includes the imports before this module

STEP_SECONDS: dict[str, float] = {}
MODEL_FILES = "model files"  # the entry of STEP_SECONDS whose seconds are subtracted


@contextmanager
def step(name: str) -> Iterator[None]:
    """Time a step and print its seconds, without the seconds of reading and writing model files."""
    started = time.perf_counter() - STEP_SECONDS.get(MODEL_FILES, 0.0)
    yield
    STEP_SECONDS[name] = round(time.perf_counter() - STEP_SECONDS.get(MODEL_FILES, 0.0) - started, 3)
    print(f"  {name:36} {STEP_SECONDS[name]:8.2f} s", flush=True)


@contextmanager
def model_file_access() -> Iterator[None]:
    """Add the seconds of a `with` block to the seconds spent on model files, which no step includes."""
    started = time.perf_counter()
    yield
    STEP_SECONDS[MODEL_FILES] = round(STEP_SECONDS.get(MODEL_FILES, 0.0) + time.perf_counter() - started, 3)
