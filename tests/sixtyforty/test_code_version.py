"""The code version can't lie: each change that may change a decision changes it, and no other change does."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sixtyforty import code_version as code_version_module
from sixtyforty.code_version import ENTRY_POINTS, code_version, decision_code
from sixtyforty.dvc_file import RECIPE
from sixtyforty.import_closure import PACKAGES, SOURCES, find_closure, module_path
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.people import People
from sixtyforty.spec.review import Responders
from sixtyforty.spec.use_case import UseCase

CLOSURE = list(find_closure(ENTRY_POINTS))


@pytest.fixture(scope="module")
def shared_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's sources. Each test restores what it changes."""
    folder = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(SOURCES / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def cache_file(shared_copy: Path) -> Path:
    """Keeps parsed modules between the tests, as between runs."""
    return shared_copy / "cache.json"


class EditedModule:
    """A module of the copied sources whose text a test changes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.original = file.read_text()

    def write(self, content: str) -> None:
        assert content != self.original
        self.file.write_text(content)

    def replace(self, old: str, new: str) -> None:
        assert old in self.original, f"{self.file.name} no longer holds: {old}"
        self.write(self.original.replace(old, new))


@pytest.fixture
def edited(request: pytest.FixtureRequest, shared_copy: Path) -> Iterator[EditedModule]:
    """The module named by the test's parameter; it is restored after the test."""
    path = module_path(request.param, shared_copy)
    assert path is not None
    module = EditedModule(path)
    yield module
    path.write_text(module.original)


class FirstExpression(ast.NodeTransformer):
    """Changes the first constant in the code that is no docstring or text for people, or else adds an assignment."""

    def __init__(self) -> None:
        self.is_done = False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "FieldError":
            return node
        descriptions = [keyword for keyword in node.keywords if keyword.arg == "description"]
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        self.generic_visit(node)
        node.keywords += descriptions
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.is_done:
            return node
        self.is_done = True
        return ast.Constant(value="changed" if node.value != "changed" else "changed again")


def change_one_expression(source: str) -> str:
    tree = ast.parse(source)
    last = max(
        (node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)), key=lambda n: n.lineno
    )
    change = FirstExpression()
    tree.body[tree.body.index(last)] = change.visit(last)
    return ast.unparse(tree) + ("" if change.is_done else "\nADDED = 1\n")


def test_the_closure_holds_the_code_that_decides_and_no_reports() -> None:
    for module in (
        "sixtyforty.ingest.landing_zone",
        "sixtyforty.spec.kpi",
        "sixtyforty.spec.decision_chain",
        "sixtyforty.spec.review",
        "sixtyforty.modeling.estimators",
        "sixtyforty.decisions.assignment",
        "sixtyforty.spec.yaml_positions",
        "expectations.rules",
    ):
        assert module in CLOSURE
    packages = {name.split(".")[1] for name in CLOSURE if name.startswith("sixtyforty.")}
    assert not packages & {"reports", "lifecycle", "accounting"}


@pytest.mark.parametrize("edited", CLOSURE, indirect=True)
def test_a_changed_expression_in_any_module_changes_the_version(
    edited: EditedModule, shared_copy: Path, cache_file: Path
) -> None:
    before = decision_code(shared_copy, cache_file)
    edited.write(change_one_expression(edited.original))
    assert decision_code(shared_copy, cache_file) != before


@pytest.mark.parametrize("edited", CLOSURE, indirect=True)
def test_a_changed_comment_or_docstring_in_any_module_changes_nothing(
    edited: EditedModule, shared_copy: Path, cache_file: Path
) -> None:
    before = decision_code(shared_copy, cache_file)
    edited.write(f'"""Another docstring."""\n{edited.original}\n# Another comment.\n')
    tree = ast.parse(edited.original)
    if ast.get_docstring(tree):
        body = tree.body[0]
        lines = edited.original.splitlines(keepends=True)[body.end_lineno :]
        edited.write(f'"""Another docstring."""\n{"".join(lines)}\n# Another comment.\n')
    assert decision_code(shared_copy, cache_file) == before


@pytest.mark.parametrize("edited", ["sixtyforty.value.policy"], indirect=True)
def test_an_added_import_makes_the_closure_grow(edited: EditedModule, shared_copy: Path, cache_file: Path) -> None:
    before = decision_code(shared_copy, cache_file)
    edited.write(edited.original + "\n\nimport sixtyforty.reports.charts\n")
    modules = find_closure(ENTRY_POINTS, shared_copy)
    assert "sixtyforty.reports.charts" in modules
    assert set(CLOSURE) < set(modules)
    assert decision_code(shared_copy, cache_file) != before


@pytest.mark.parametrize("edited", ["sixtyforty.spec.actions"], indirect=True)
def test_reversing_the_newsvendor_quantile_changes_the_version(
    edited: EditedModule, shared_copy: Path, cache_file: Path
) -> None:
    before = decision_code(shared_copy, cache_file)
    quantile = "self.shortage_cost / (self.shortage_cost + self.excess_cost)"
    edited.replace(quantile, quantile.replace("self.shortage_cost /", "self.excess_cost /"))
    assert decision_code(shared_copy, cache_file) != before


TEXTS_AND_PEOPLE = [
    "sixtyforty.reports.charts",
    "sixtyforty.spec.field_messages",
    "sixtyforty.spec.renamed_fields",
    "sixtyforty.spec.kpi_wording",
    "sixtyforty.spec.people",
    "sixtyforty.spec.sourcing",
    "sixtyforty.spec.use_case",
    "sixtyforty.spec.watch",
]


@pytest.mark.parametrize("edited", TEXTS_AND_PEOPLE, indirect=True)
def test_a_change_of_texts_or_of_fields_about_people_changes_nothing(
    edited: EditedModule, shared_copy: Path, cache_file: Path
) -> None:
    before = decision_code(shared_copy, cache_file)
    edited.write(edited.original + "\nADDED = 1\n")
    assert decision_code(shared_copy, cache_file) == before


@pytest.mark.parametrize("edited", ["sixtyforty.spec.sources"], indirect=True)
def test_a_reworded_message_about_a_field_changes_nothing(
    edited: EditedModule, shared_copy: Path, cache_file: Path
) -> None:
    before = decision_code(shared_copy, cache_file)
    reworded = RewordedFieldErrors()
    edited.write(ast.unparse(reworded.visit(ast.parse(edited.original))))
    assert reworded.count > 0
    assert decision_code(shared_copy, cache_file) == before


class RewordedFieldErrors(ast.NodeTransformer):
    """Changes the texts of every FieldError."""

    count = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "FieldError":
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    part.value = f"{part.value} (reworded)"
                    self.count += 1
        return self.generic_visit(node)


@pytest.mark.parametrize("module", ["code_version", "import_closure", "dvc_file"])
def test_no_module_is_listed_by_hand_except_the_entry_points(module: str) -> None:
    path = module_path(f"sixtyforty.{module}")
    assert path is not None
    constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    texts = [text for text in constants if isinstance(text, str) and "." in text]
    listed = {text for text in texts if re.fullmatch(r"[a-z_.]+", text) and module_path(text) is not None}
    assert listed == {"code_version": set(ENTRY_POINTS), "dvc_file": {RECIPE}}.get(module, set())


def test_the_stages_reach_every_entry_point() -> None:
    stages = [f"assets.{file.stem}" for file in (SOURCES / "assets").glob("*.py") if file.stem != "__init__"]
    assert set(ENTRY_POINTS) <= find_closure(stages).keys()


def test_the_code_that_decides_reads_only_the_declared_decision_chain() -> None:
    """A `Workspace` holds a full use case, so the type checker alone can't see this."""
    readable = set(dir(DecisionChain)) | DecisionChain.model_fields.keys()
    for name in CLOSURE:
        path = module_path(name)
        assert path is not None
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute):
                continue
            owner = getattr(node.value, "attr", getattr(node.value, "id", None))
            if owner == "use_case":
                assert node.attr in readable, f"{name} reads use_case.{node.attr}"
            elif owner == "people":
                assert node.attr in Responders.model_fields, f"{name} reads people.{node.attr}"


def test_a_use_case_overrides_nothing_that_decisions_depend_on() -> None:
    declared = vars(DecisionChain).keys() | DecisionChain.__annotations__.keys()
    overridden = (vars(UseCase).keys() | UseCase.__annotations__.keys()) & declared
    assert {name for name in overridden if not name.startswith(("__", "_abc", "model_"))} == {"people"}
    assert not vars(People).keys() & {"responses", "review"}


def test_the_version_covers_declaration_sql_suites_and_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "defs.yaml").write_text("a: 1")
    (folder / "features.sql").write_text("select 1")
    (folder / "notes.md").write_text("notes")
    versions = [code_version("calls", folder)]

    def add_version() -> None:
        versions.append(code_version("calls", folder))

    (folder / "notes.md").write_text("other notes")
    add_version()
    assert versions[0] == versions[1]
    (folder / "defs.yaml").write_text("a: 2")
    add_version()
    (folder / "features.sql").write_text("select 2")
    add_version()
    versions.append(code_version("flight_delays", folder))
    monkeypatch.setattr(code_version_module, "library_versions", lambda: {"scikit-learn": "99"})
    add_version()
    assert len(set(versions)) == 5


def test_the_version_is_cheap_once_modules_are_cached(shared_copy: Path, cache_file: Path) -> None:
    decision_code(shared_copy, cache_file)
    reads: list[Path] = []
    original = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        reads.append(path)
        return original(path)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        decision_code(shared_copy, cache_file)
        assert reads == []
        monkeypatch.setattr(code_version_module, "_newest_code", {})  # as in another process
        decision_code(shared_copy, cache_file)
    assert reads == [cache_file]
