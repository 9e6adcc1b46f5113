"""Store a copy of each declaration under which decisions were taken, to compare later declarations with it.

A copy is a JSON file in the lake, named by the declaration's version: `declarations/<version>.json`. It contains the
parts from which the version is computed, and the declared models. A file never changes, because its name is a hash.
"""

from __future__ import annotations

import json
from typing import Any

from sixtyforty.decisions.declared_version import declared_parts, declared_version
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace


def describe_declaration(use_case: DecisionChain) -> dict[str, Any]:
    """Return the parts of the current declaration on which decisions depend, as JSON values by name.

    The part `models` holds the recipe of the declared model and of each alternative.
    """
    model = use_case.model
    alternatives = {name: model.with_alternative(name).to_recipe() for name in model.alternatives}
    content = declared_parts(use_case) | {"models": {"model": model.to_recipe(), **alternatives}}
    described: dict[str, Any] = json.loads(canonical_json(content))
    return described


def record_declaration(ws: Workspace) -> None:
    """Store a copy of the current declaration, unless the lake already has it."""
    file = _file(ws, declared_version(ws.use_case))
    if not file.exists():
        write_atomic(file, canonical_json(describe_declaration(ws.use_case)).encode())


def read_declaration(ws: Workspace, version: str) -> dict[str, Any] | None:
    """Return the stored copy of a declaration, or None if the lake has no copy of this version."""
    try:
        declaration: dict[str, Any] = json.loads(_file(ws, version).read_bytes())
    except FileNotFoundError:
        return None
    return declaration


def list_declarations(ws: Workspace) -> list[dict[str, Any]]:
    """Return the stored copies of all declarations under which decisions were taken, sorted by their version."""
    folder = ws.lake.root / "declarations"
    versions = sorted(file.name.removesuffix(".json") for file in folder.glob("*.json"))
    return [declaration for version in versions if (declaration := read_declaration(ws, version)) is not None]


def _file(ws: Workspace, version: str) -> StoragePath:
    return ws.lake.root / "declarations" / f"{version}.json"
