"""Sort more lines than fit in memory: sorted portions in temporary files, which are merged."""

from __future__ import annotations

import heapq
import marshal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

LINES_PER_READ = 1_000  # lines of each portion that are in memory during the merge


def sort_lines(lines: Iterable[bytes], portion: int, folder: Path) -> Iterator[bytes]:
    """Yield lines in the order of their bytes. A line may hold line breaks.

    portion: number of lines to hold in memory. folder: for temporary files without a name, if there are more lines.
    """
    remaining = iter(lines)
    first = sorted(islice(remaining, portion))
    with ExitStack() as files:
        portions: list[Iterable[bytes]] = [first]
        while batch := sorted(islice(remaining, portion)):
            if len(portions) == 1:
                portions = [_stored(first, files, folder)]
                first = []
            portions.append(_stored(batch, files, folder))
        yield from heapq.merge(*portions)


def _stored(lines: list[bytes], files: ExitStack, folder: Path) -> Iterator[bytes]:
    """Write lines to a temporary file, and return an iterator that reads them from it in parts."""
    file = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115  # `files` closes it
    for start in range(0, len(lines), LINES_PER_READ):
        marshal.dump(lines[start : start + LINES_PER_READ], file)
    file.seek(0)
    return _read(file, -(-len(lines) // LINES_PER_READ))


def _read(file: BinaryIO, parts: int) -> Iterator[bytes]:
    for _ in range(parts):
        yield from marshal.load(file)
