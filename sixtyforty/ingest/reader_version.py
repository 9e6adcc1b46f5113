"""The version of the code that reads extracts: if it changes, extracts that it refused are read again."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from sixtyforty.storage.files import digest

ROOT = Path(__file__).parents[2]
READER_LIBRARIES = ("pyarrow", "duckdb", "numpy")


@lru_cache(maxsize=1)
def reader_version() -> str:
    """Return a hash of the code that reads extracts, and of the libraries that it uses."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    code = {str(file.relative_to(ROOT)): digest(file.read_bytes()) for file in files}
    return digest(code | {library: version(library) for library in READER_LIBRARIES})
