"""The import closure of a set of modules, and the digest of its code.

A change of the code must show, and a change of a comment must not. So the digest covers the syntax tree of each module
without comments, docstrings and the descriptions of pydantic fields. The closure is found without importing anything:
it follows every import statement of the project's own packages, also those inside functions. Imports for type checkers
only are left out. Python's version matters too, because the syntax tree depends on it.
"""

from __future__ import annotations

import ast
import hashlib
import json
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
    """What the closure needs of one module.

    digest: of its code; empty for a module without code, such as a package's `__init__`. imports: the names that it
    imports, which may be modules or their members.
    """

    digest: str
    imports: list[str]


class CodeCache:
    """The parsed modules of a source tree, in a file: a module is parsed again when its time or size changed.

    file: the cache file, which is created if it is missing. None: nothing is cached.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._entries: dict[str, dict[str, Any]] = {}
        self._used: dict[str, dict[str, Any]] = {}
        if file is not None:
            with suppress(OSError, ValueError):
                self._entries = json.loads(file.read_bytes())

    def read(self, path: Path) -> ModuleCode:
        """Return a module's digest and imports. Raises SyntaxError."""
        status = path.stat()
        stamp = [status.st_mtime_ns, status.st_size]
        entry = self._entries.get(str(path))
        if entry is None or entry["stamp"] != stamp:
            entry = {"stamp": stamp, "module": asdict(parse_module(path.read_bytes()))}
        self._used[str(path)] = entry
        return ModuleCode(**entry["module"])

    def save(self) -> None:
        """Write the modules that were read, if they changed. A home that can't be written to has no cache."""
        if self.file is not None and self._used != self._entries:
            with suppress(OSError):
                write_atomic(self.file, canonical_json(self._used).encode())


def parse_module(source: bytes) -> ModuleCode:
    """Return the digest and the imports of a module's source. Raises SyntaxError."""
    tree = ast.parse(source)
    imports = sorted({name for name in _imported_names(tree) if name.split(".")[0] in PACKAGES})
    stripped = _WithoutTexts().visit(tree)
    code = hashlib.sha256(ast.dump(stripped).encode()).hexdigest()[:16] if stripped.body else ""
    return ModuleCode(code, imports)


class _WithoutTexts(ast.NodeTransformer):
    """Removes docstrings and the descriptions of pydantic fields."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:]
        return super().generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield `package.module` or `package.module.member` of each import that runs."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def find_closure(
    entry_points: Collection[str],
    excluded: Collection[str] = (),
    sources: Path = SOURCES,
    cache: CodeCache | None = None,
) -> dict[str, ModuleCode]:
    """Return the modules that the entry points import, directly or not, by name and in order.

    excluded: modules that are left out, but whose imports are followed. Packages without code are left out too.
    Raises FileNotFoundError for an entry point that doesn't exist.
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
            raise FileNotFoundError(f"{name}: no such module below {sources}")
    return {name: code for name, code in sorted(modules.items()) if code.digest and name not in excluded}


def _prefixes(imported: str) -> Iterator[str]:
    """Yield what an import runs: each package on the way, then the module. The last part may be a member of it."""
    parts = imported.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def module_path(name: str, sources: Path = SOURCES) -> Path | None:
    """Return the file of a module or package; None if there is none."""
    base = sources.joinpath(*name.split("."))
    candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def closure_digest(modules: Mapping[str, ModuleCode]) -> str:
    """Return the digest of a closure's code."""
    return digest({name: code.digest for name, code in modules.items()})
