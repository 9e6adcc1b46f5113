"""The import closure of a set of modules (all modules that they import, directly or indirectly), and its code digest.

A change of code must change the digest, and a change of a comment must not. So the digest covers the syntax tree of
each module, without four kinds of text: comments, docstrings, descriptions of pydantic fields, and texts of
`FieldError`. A `FieldError` only refuses a declaration. The texts of other errors are included, because some are stored
as the reason why an extract was refused.

The closure is computed from the source text, without importing any module. It follows every import statement of the
project's own packages, including imports inside functions. Imports under `TYPE_CHECKING` are left out. No module can be
excluded, so decision code must not import modules that have no effect on decisions.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sixtyforty.storage.files import canonical_json, digest, write_atomic

SOURCES = Path(__file__).parents[1]
PACKAGES = ("sixtyforty", "expectations")


@dataclass(frozen=True)
class ModuleCode:
    """The digest and the imports of one module.

    digest: hash of the module's code; empty for a module without code, such as a package's `__init__`.
    imports: the dotted names that the module imports. Each is the name of a module or of a member of a module.
    """

    digest: str
    imports: list[str]


@dataclass(frozen=True)
class CachedModule:
    """A parsed module in the cache file.

    stamp: figures that change if the module's file or the parser changes.
    """

    stamp: list[int]
    module: ModuleCode

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CachedModule:
        """Return the parsed module that an entry of the cache file describes."""
        return cls(content["stamp"], ModuleCode(**content["module"]))


def _stamp(path: Path | str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116  # for a hundred paths, Path.stat would take five times as long
    return [status.st_mtime_ns, status.st_size]


def _current_stamp(path: str) -> list[int] | None:
    try:
        return _stamp(path)
    except FileNotFoundError:
        return None


class CodeCache:
    """A cache file with the digest and the imports of each parsed module of a source tree.

    A module is parsed again if its modification time or size changed. Every module is parsed again if
    `import_closure.py` or the Python version changed, because all digests depend on both.

    file: the cache file, which is created if it is missing. None: nothing is stored.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._parser = [*_stamp(Path(__file__)), *sys.version_info[:2]]
        self._entries: dict[str, CachedModule] = {}
        self._used: dict[str, CachedModule] = {}
        if file is not None:
            with suppress(OSError, ValueError, TypeError, KeyError):
                stored = json.loads(file.read_bytes())
                self._entries = {path: CachedModule.from_dict(entry) for path, entry in stored.items()}

    def read(self, path: Path) -> ModuleCode:
        """Return the digest and the imports of the module at a path. An unchanged module is taken from the cache.

        Raises SyntaxError if the file is not valid Python.
        """
        stamp = [*_stamp(path), *self._parser]
        entry = self._entries.get(str(path))
        if entry is None or entry.stamp != stamp:
            entry = CachedModule(stamp, parse_module(path.read_bytes()))
        self._used[str(path)] = entry
        return entry.module

    def is_current(self) -> bool:
        """Return whether no module's file has changed since `read` returned the module."""
        return all(_current_stamp(path) == entry.stamp[:2] for path, entry in self._used.items())

    def save(self) -> None:
        """Write all modules that `read` returned to the cache file, unless the file holds the same modules already.

        If the file can't be written, no error is raised, because the cache is optional.
        """
        if self.file is not None and self._used != self._entries:
            with suppress(OSError):
                content = {path: asdict(entry) for path, entry in self._used.items()}
                write_atomic(self.file, canonical_json(content).encode())


def parse_module(source: bytes) -> ModuleCode:
    """Return the digest and the imports of a module. Raises SyntaxError if the source is not valid Python.

    source: the bytes of the module's file.
    """
    tree = ast.parse(source)
    imports = sorted({name for name in _strip_texts(tree) if name.split(".")[0] in PACKAGES})
    code = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16] if tree.body else ""
    return ModuleCode(code, imports)


def _strip_texts(tree: ast.Module) -> list[str]:
    """Remove texts without effect from a module's syntax tree, in place, and return the names that the module imports.

    The removed texts are docstrings, descriptions of pydantic fields and texts of `FieldError`. A returned name is
    `package.module` or `package.module.member`. Imports under `TYPE_CHECKING` are left out. One pass over the tree does
    both jobs, because a pass is slow.
    """
    imports: list[str] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            imports += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports += (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            _strip_call(node)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _strip_docstring(node)
        pending += ast.iter_child_nodes(node)
    return imports


def _strip_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:]


def _strip_call(node: ast.Call) -> None:
    """Remove the description from a call of pydantic's `Field`, or the texts from a call of `FieldError`, in place."""
    if not isinstance(node.func, ast.Name):
        return
    if node.func.id == "Field":
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
    elif node.func.id == "FieldError":
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                part.value = ""


def find_closure(
    entry_points: Collection[str], sources: Path = SOURCES, cache: CodeCache | None = None
) -> dict[str, ModuleCode]:
    """Return the digest and imports of the entry points and of all modules that they import, directly or indirectly.

    The keys are module names, sorted. Modules without code are left out. Raises FileNotFoundError for an entry point
    that doesn't exist.
    """
    cache = cache or CodeCache(None)
    modules: dict[str, ModuleCode] = {}
    visited: set[str] = set()
    pending = list(entry_points)
    while pending:
        name = pending.pop()
        if name in visited:
            continue
        visited.add(name)
        path = module_path(name, sources)
        if path is not None:
            modules[name] = cache.read(path)
            pending += [prefix for imported in modules[name].imports for prefix in _prefixes(imported)]
        elif name in entry_points:
            raise FileNotFoundError(f"{name}: the module doesn't exist below {sources}. Correct `entry_points`.")
    return {name: code for name, code in sorted(modules.items()) if code.digest}


def _prefixes(imported: str) -> Iterator[str]:
    """Yield each prefix of a dotted name: `a`, `a.b`, `a.b.c`. An import also runs each package above the module."""
    parts = imported.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def module_path(name: str, sources: Path = SOURCES) -> Path | None:
    """Return the source file of a module or package below `sources`; None if no such file exists."""
    base = sources.joinpath(*name.split("."))
    candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def closure_digest(modules: Mapping[str, ModuleCode]) -> str:
    """Return one digest of the code of all modules in an import closure."""
    return digest({name: code.digest for name, code in modules.items()})
