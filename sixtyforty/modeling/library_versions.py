"""Read the versions of the libraries on which features, models and verdicts depend."""

from __future__ import annotations

from functools import cache

LIBRARIES = ("duckdb", "great-expectations", "pandas", "scikit-learn", "skops")


@cache
def library_versions() -> dict[str, str]:
    """Return the installed version of each library in LIBRARIES, by name. The versions are read once per process."""
    from importlib.metadata import version

    return {library: version(library) for library in LIBRARIES}
