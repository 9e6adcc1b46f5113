"""The setting SIXTYFORTY_MEMORY: how much memory one process may use for data.

The setting is a number of bytes, such as `2000000000`, or a number with a unit, such as `1GB`, `512MB` or `1.5GiB`. The
default is a quarter of the memory of the machine or container, but at least 512 MB. A size beyond that memory is
refused. The limit covers data on the way
from an extract to delivered decisions: what DuckDB holds, and rows that wait to be written. It doesn't cover training
sets, which are held in memory as a whole. A process needs up to 420 MB more, of which the libraries take 350 MB.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from sixtyforty.spec.errors import SixtyfortyError

VARIABLE = "SIXTYFORTY_MEMORY"
MIN_BYTES = 512 * 10**6
UNITS = {"": 1, "B": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
MAX_STAGING_BYTES = 1 << 28
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


class MemorySettingError(SixtyfortyError):
    """SIXTYFORTY_MEMORY is not a size, or it is too small, or larger than the machine's memory."""


def memory_limit() -> int:
    """Return SIXTYFORTY_MEMORY in bytes, by default a quarter of the machine's memory. Raises MemorySettingError."""
    text = os.environ.get(VARIABLE, "").strip()
    return parse_size(text) if text else max(MIN_BYTES, machine_memory() // 4)


def duckdb_limit() -> int:
    """Return how many bytes a DuckDB database may hold in memory before it writes to its temporary folder."""
    return memory_limit() // 2


def staging_limit() -> int:
    """Return how many bytes of extract lines an import may hold in memory before it writes them to temporary files."""
    return min(MAX_STAGING_BYTES, memory_limit() // 8)


def parse_size(text: str) -> int:
    """Return a size such as `1GB` in bytes. Raises MemorySettingError, also if the machine has less memory."""
    parts = _SIZE.fullmatch(text)
    if not parts or parts[2].upper() not in UNITS:
        raise MemorySettingError(f"{VARIABLE} is '{text}'. Set it to a size such as 1GB or 512MB.")
    size = int(Decimal(parts[1]) * UNITS[parts[2].upper()])
    if size < MIN_BYTES:
        raise MemorySettingError(f"{VARIABLE} is {text}. Set it to at least {MIN_BYTES // 10**6}MB.")
    if size > max(MIN_BYTES, machine_memory()):
        raise MemorySettingError(
            f"{VARIABLE} is {text}, but this machine or container has only {machine_memory() // 10**6:,} MB of memory."
            " Set it to less, or leave it out: the default is a quarter of the memory."
        )
    return size


@lru_cache(maxsize=1)
def machine_memory() -> int:
    """Return the bytes of memory that this machine or container has."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_cgroup_limits()])


def _cgroup_limits() -> Iterator[int]:
    """Yield the memory limits of this process's Linux control groups (v1 and v2) and of the groups above them."""
    if not OWN_CGROUPS.exists():
        return
    for line in OWN_CGROUPS.read_text().splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0":
            root, name = CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container, the path of a control group may be a path of the host, which the container doesn't have.
        folder = root / group.lstrip("/")
        for place in (folder, *folder.parents):
            limit = place / name
            text = limit.read_text().strip() if place.is_relative_to(root) and limit.exists() else "max"
            if text != "max":
                yield int(text)
