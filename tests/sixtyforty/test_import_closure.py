"""The closure follows every import that runs, and its digest changes with the code and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.import_closure import CodeCache, ModuleCode, closure_digest, find_closure, parse_module

MAIN = """'''Docstring.'''
from sixtyforty.used import helper  # a comment
import sixtyforty.pack.deep
LIMIT = 1
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small project: `main` imports `used` and `pack.deep`, and nobody imports `unused`."""
    files = {
        "__init__.py": '"""Only a docstring."""\n',
        "main.py": MAIN,
        "used.py": "def helper() -> int:\n    return 1\n",
        "unused.py": "x = 1\n",
        "pack/__init__.py": "",
        "pack/deep.py": "y = 1\n",
    }
    for name, content in files.items():
        file = tmp_path / "project" / "sixtyforty" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path / "project"


def names(sources: Path) -> list[str]:
    modules = find_closure(["sixtyforty.main"], sources)
    return [name.removeprefix("sixtyforty.") for name in modules]


def version(sources: Path) -> str:
    return closure_digest(find_closure(["sixtyforty.main"], sources))


def edit(sources: Path, module: str, old: str, new: str) -> None:
    file = sources / "sixtyforty" / module
    content = file.read_text()
    assert old in content
    file.write_text(content.replace(old, new))


def test_the_closure_holds_what_is_imported_and_no_package_without_code(sources: Path) -> None:
    assert names(sources) == ["main", "pack.deep", "used"]


@pytest.mark.parametrize(
    "statement",
    [
        "import sixtyforty.unused",
        "from sixtyforty import unused",
        "from sixtyforty.unused import x",
        "def f():\n    from sixtyforty.unused import x\n    return x",
        "try:\n    import sixtyforty.unused as u\nexcept ImportError:\n    pass",
        "if LIMIT:\n    from sixtyforty import unused",
        "class A:\n    import sixtyforty.unused",
    ],
)
def test_an_added_import_adds_the_module(sources: Path, statement: str) -> None:
    before = version(sources)
    edit(sources, "pack/deep.py", "y = 1", f"y = 1\n{statement}")
    assert names(sources) == ["main", "pack.deep", "unused", "used"]
    assert version(sources) != before
    first = version(sources)
    edit(sources, "unused.py", "1", "2")
    assert version(sources) != first


def test_an_import_for_type_checkers_adds_nothing_but_its_alternative_does(sources: Path) -> None:
    edit(sources, "used.py", "def helper", "if TYPE_CHECKING:\n    import sixtyforty.unused\n\ndef helper")
    assert "unused" not in names(sources)
    edit(sources, "used.py", "    import sixtyforty.unused\n", "    pass\nelse:\n    import sixtyforty.unused\n")
    assert "unused" in names(sources)


def test_a_package_with_code_belongs_to_the_closure(sources: Path) -> None:
    (sources / "sixtyforty" / "pack" / "__init__.py").write_text("import sixtyforty.unused\n")
    assert names(sources) == ["main", "pack", "pack.deep", "unused", "used"]


def test_an_entry_point_that_does_not_exist_is_an_error(sources: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"sixtyforty\.absent"):
        find_closure(["sixtyforty.absent"], sources)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 1  # why"),
        ("x = 1", "# why\n\nx = 1"),
        ("x = (1 + 2)", "x = 1 + 2"),
        ("'''one'''\nx = 1", "'''two'''\nx = 1"),
        ("x = 1", "'''one'''\nx = 1"),
        ("def f():\n    'one'\n    return 1", "def f():\n    return 1"),
        ("async def f():\n    'one'\n    return 1", "async def f():\n    'two'\n    return 1"),
        ("class A:\n    'one'\n    x = 1", "class A:\n    'two'\n    x = 1"),
        ("class A:\n    def f(self):\n        'one'", "class A:\n    def f(self):\n        'two'"),
        ("x: int = Field(ge=0, description='one')", "x: int = Field(ge=0, description='two')"),
        ("raise FieldError('a', f'one {b}')", "raise FieldError('a', f'two {b}')"),
        ("if TYPE_CHECKING:\n    import a", "if TYPE_CHECKING:\n    import b"),
    ],
)
def test_texts_for_people_layout_and_imports_for_type_checkers_do_not_count(before: str, after: str) -> None:
    assert parse_module(before.encode()).digest == parse_module(after.encode()).digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "y = 1"),
        ("x = a < b", "x = a <= b"),
        ("x = f'{a}'", "x = f'{b}'"),
        ("x = 'text'", "x = 'other text'"),
        ("def f(a=1): ...", "def f(a=2): ..."),
        ("@cache\ndef f(): ...", "def f(): ..."),
        ("x: int = Field(ge=0, description='one')", "x: int = Field(ge=1, description='one')"),
        ("x = other(description='one')", "x = other(description='two')"),
        ("raise FieldError('a', f'one {b}')", "raise FieldError('a', f'one {c}')"),
        ("raise DecompressionError('one')", "raise DecompressionError('two')"),
        ("if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 2", "if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 3"),
        ("def f():\n    x = 1\n    'not a docstring'", "def f():\n    x = 1\n    'another text'"),
        ("if a:\n    'not a docstring'", "if a:\n    'another text'"),
    ],
)
def test_code_counts(before: str, after: str) -> None:
    assert parse_module(before.encode()).digest != parse_module(after.encode()).digest


def test_a_renamed_module_changes_the_digest(sources: Path) -> None:
    before = version(sources)
    (sources / "sixtyforty" / "used.py").rename(sources / "sixtyforty" / "renamed.py")
    edit(sources, "main.py", "sixtyforty.used", "sixtyforty.renamed")
    assert version(sources) != before


def test_cached_modules_are_not_parsed_again_until_they_change(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def count_and_parse(source: bytes) -> ModuleCode:
        parsed.append(source)
        return parse_module(source)

    monkeypatch.setattr("sixtyforty.import_closure.parse_module", count_and_parse)

    def cached_version() -> str:
        cache = CodeCache(tmp_path / "cache" / "code.json")
        modules = find_closure(["sixtyforty.main"], sources, cache)
        cache.save()
        return closure_digest(modules)

    assert cached_version() == version(sources)
    parsed.clear()
    assert cached_version() == version(sources)
    saved = (tmp_path / "cache" / "code.json").stat()
    assert len(parsed) == 5, "only the uncached call parsed modules"
    parsed.clear()
    edit(sources, "used.py", "return 1", "return 2")
    first = cached_version()
    assert len(parsed) == 1
    assert first == version(sources)
    assert (tmp_path / "cache" / "code.json").stat().st_ino != saved.st_ino


def test_another_parser_parses_cached_modules_again(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, module = tmp_path / "code.json", sources / "sixtyforty" / "used.py"
    cache = CodeCache(file)
    cache.read(module)
    cache.save()
    changed = ModuleCode("digest of another parser", [])
    monkeypatch.setattr("sixtyforty.import_closure.parse_module", lambda source: changed)
    assert CodeCache(file).read(module) != changed
    parser = tmp_path / "parser.py"
    parser.write_text("")
    monkeypatch.setattr("sixtyforty.import_closure.__file__", str(parser))
    assert CodeCache(file).read(module) == changed


@pytest.mark.parametrize("content", [b"", b"[", b"\xff"])
def test_a_broken_cache_is_replaced(sources: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "code.json"
    file.write_bytes(content)
    cache = CodeCache(file)
    assert closure_digest(find_closure(["sixtyforty.main"], sources, cache)) == version(sources)
    cache.save()
    assert len(CodeCache(file)._entries) == 5


def test_the_cache_forgets_modules_that_are_no_longer_used(sources: Path, tmp_path: Path) -> None:
    for main in (MAIN, "x = 1\n"):
        (sources / "sixtyforty" / "main.py").write_text(main)
        cache = CodeCache(tmp_path / "code.json")
        find_closure(["sixtyforty.main"], sources, cache)
        cache.save()
    assert [Path(path).name for path in CodeCache(tmp_path / "code.json")._entries] == ["main.py"]
