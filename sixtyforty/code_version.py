"""The version of the code that turns extracts into decisions.

It covers the import closure of that code, a use case's declaration and rule suites, and the versions of the libraries
that affect decisions. A change of other code, such as a report or a command, changes no version and retrains nothing.
Only the entry points are listed by hand. They are the modules that the pipeline stages call.
"""

from __future__ import annotations

from pathlib import Path

from sixtyforty.import_closure import SOURCES, CodeCache, closure_digest, find_closure
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.storage.files import digest

ENTRY_POINTS = (
    "sixtyforty.spec.yaml_positions",
    "sixtyforty.ingest.raw",
    "expectations.validation",
    "expectations.serving_gate",
    "sixtyforty.modeling.features",
    "sixtyforty.modeling.outcomes",
    "sixtyforty.modeling.model_store",
    "sixtyforty.modeling.trainer",
    "sixtyforty.value.policy",
    "sixtyforty.decisions.deciding",
)


def decision_code(sources: Path = SOURCES, cache_file: Path | None = None) -> str:
    """Return the digest of the code that turns extracts into decisions.

    sources: the folder that holds the project's packages.
    cache_file: stores the parsed modules between processes, so that only changed modules are parsed again.
    """
    cache = CodeCache(cache_file)
    modules = find_closure(ENTRY_POINTS, sources, cache)
    cache.save()
    return closure_digest(modules)


def code_version(use_case_name: str, use_case_folder: Path, cache_file: Path | None = None) -> str:
    """Return one version for the code, the libraries, and a use case's declaration, SQL files and rule suites."""
    suites = (SOURCES / "expectations" / use_case_name).glob("*.yaml")
    declaration = (file for file in use_case_folder.glob("*.*") if file.suffix in (".yaml", ".sql"))
    return digest(
        {
            "code": decision_code(cache_file=cache_file),
            "libraries": library_versions(),
            "suites": {file.name: digest(file.read_bytes()) for file in suites},
            "declaration": {file.name: digest(file.read_bytes()) for file in declaration},
        }
    )
