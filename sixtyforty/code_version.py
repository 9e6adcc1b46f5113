"""The code version: one hash of everything on which the decisions of a use case depend, except data.

The hash covers:

- the code that turns extracts into decisions, with all modules that it imports
- the use case's declaration, SQL files and rule suites
- the versions of the libraries that affect decisions

A use case that was renamed is hashed under its first name, so a new name changes no version.

If other code changes, such as a report or a command, the hash stays the same, so nothing is retrained. `ENTRY_POINTS`
lists the modules that the chain stages call. All modules that the entry points import are found automatically.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sixtyforty.import_closure import SOURCES, CodeCache, closure_digest, find_closure
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.spec.names import restore_first_name
from sixtyforty.spec.project_folders import suites_folder
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

# By source folder: the modules in it and their digest. Only the folder that was read last is stored.
_newest_code: dict[Path, tuple[CodeCache, str]] = {}


def decision_code(sources: Path = SOURCES, cache_file: Path | None = None) -> str:
    """Return the digest of the code that turns extracts into decisions.

    sources: the folder that holds the project's packages.
    cache_file: a file that stores parsed modules between processes, so that only changed modules are parsed again.
    None: every module is parsed.

    Each chain stage of a run calls this function. The digest is computed again only if a module of the closure has
    changed.
    """
    if sources in _newest_code:
        cache, code = _newest_code[sources]
        if cache.file == cache_file and cache.is_current():
            return code
    cache = CodeCache(cache_file)
    code = closure_digest(find_closure(ENTRY_POINTS, sources, cache))
    cache.save()
    _newest_code.clear()
    _newest_code[sources] = cache, code
    return code


def code_version(
    use_case_name: str, use_case_folder: Path, cache_file: Path | None = None, former_names: Sequence[str] = ()
) -> str:
    """Return one hash over the decision code, the library versions, and a use case's declaration, SQL and suites.

    former_names: earlier names of the use case, oldest first.
    """
    suites = (suites_folder() / use_case_name).glob("*.yaml")
    declaration = (file for file in use_case_folder.glob("*.*") if file.suffix in (".yaml", ".sql"))
    return digest(
        {
            "code": decision_code(cache_file=cache_file),
            "libraries": library_versions(),
            "suites": {file.name: digest(file.read_bytes()) for file in suites},
            "declaration": {
                file.name: digest(restore_first_name(file.read_text(), use_case_name, former_names).encode())
                for file in declaration
            },
        }
    )
