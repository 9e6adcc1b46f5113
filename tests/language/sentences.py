"""Collect the sentences that people read, from code, templates, YAML, SQL and Markdown.

`python -m tests.language.sentences PATH…` lists what `docs/`'s style refuses in those files or folders.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_WORDS = 30
MAX_FUNCTIONS = 40
FORBIDDEN_LOCALS = {"found", "said", "told", "given", "mine", "theirs", "its", "asked", "wanted"}
CATCH_ALLS = {"result", "data", "value"}
FORBIDDEN_WORDS = re.compile("present" + r"_process|\brelive|foretold|fmt: skip")
PHRASES = re.compile(
    r"relive|foretold|foretell|how manieth|\bsurely\b|present[ ]process|(?<!50-50 )coin[ ]flip|what became of|"
    r"what lies at|"
    r"\bto whoever\b|is told of|was told|are told|is told|told apart|\bbeside\b|let through|at rest\b|"
    r"so-and-so|isn't yours|\bgoes by\b|once and for all|begun\b|made good|in its own words",
    re.IGNORECASE,
)
SQL = re.compile(
    r"^\s*\(?(select|with|create|insert|update|delete|copy|attach|set|from|left join|join|where|case when)\b", re.I
)


@dataclass(frozen=True)
class Sentence:
    """One sentence, with the file and line where its text starts."""

    file: Path
    line: int
    text: str

    @property
    def words(self) -> int:
        """Number of words; code in backticks counts as one."""
        return len(re.sub(r"`[^`]*`", "x", self.text).split())

    def __str__(self) -> str:
        name = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"{name}:{self.line}: {self.text}"


def tracked(*patterns: str) -> list[Path]:
    """Return the tracked files that match git patterns and exist."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in names.stdout.splitlines() if (ROOT / name).exists()]


def sentences(text: str) -> Iterator[str]:
    """Split a text into sentences: at full stops, question and exclamation marks, and between paragraphs or items."""
    for block in re.split(r"\n\s*\n|\n\s*(?=[-*|] |\d+\. |\w+: |:\w+)", text):
        for sentence in re.split(r"(?<=[.!?])[\"')]?\s+(?=[A-Z`\"'(])", " ".join(block.split())):
            if sentence:
                yield sentence


def of_file(file: Path) -> Iterator[Sentence]:
    """Yield the sentences of one file, by its kind."""
    reader = {".py": _python, ".md": _markdown, ".html": _html, ".yaml": _yaml, ".sql": _sql}.get(file.suffix)
    if reader is None:
        return
    for line, text in reader(file.read_text()):
        for sentence in sentences(text):
            yield Sentence(file, line, sentence)


def _python(source: str) -> Iterator[tuple[int, str]]:
    for node, text in _strings(ast.parse(source)):
        if " " in text.strip() and len(text.split()) > 3 and not SQL.match(text) and " from {" not in text:
            yield node.lineno, text
    yield from _comments(source)


def _strings(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node, "".join(p.value if isinstance(p, ast.Constant) else "x" for p in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node, node.value


def _comments(source: str) -> Iterator[tuple[int, str]]:
    block: list[str] = []
    start = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        alone = not token.line[: token.start[1]].strip()
        text = token.string.lstrip("# ")
        if block and alone and token.start[0] == last + 1:
            block.append(text)
        else:
            if block:
                yield start, " ".join(block)
            block, start = [text], token.start[0]
        last = token.start[0] if alone else -1
    if block:
        yield start, " ".join(block)


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    if "{% " in text:  # a template: its statements separate paragraphs, and its expressions are words
        text = re.sub(r"\{\{.*?\}\}", "x", text)
        text = re.sub(r"^\{[%#].*?[%#]\}$", "", text, flags=re.MULTILINE)
    paragraph: list[str] = []
    start, fenced = 1, False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or not line.strip() or line.lstrip().startswith(("```", "#", "|", "<", "![")):
            if paragraph:
                yield start, "\n".join(paragraph)
            paragraph = []
            if line.lstrip().startswith("|") and not fenced:
                for cell in line.strip().strip("|").split("|"):
                    yield number, cell
            continue
        if not paragraph:
            start = number
        paragraph.append(line)


def _html(text: str) -> Iterator[tuple[int, str]]:
    text = re.sub(r"\{[%#].*?[%#]\}|<(style|script).*?</\1>", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    text = re.sub(r"\{\{.*?\}\}", "x", text, flags=re.S)
    for number, line in enumerate(re.sub(r"</?(a|b|i|em|strong|span|code|q|time)\b[^>]*>", "", text).splitlines(), 1):
        for part in re.split(r"<[^>]*>", line):
            if len(part.split()) > 3:
                yield number, part


def _yaml(text: str) -> Iterator[tuple[int, str]]:
    prose = re.compile(
        r"^\s*(?:- )?(?:\w*description|why|title|vision|adoption|process_step|statement|finding|about): (.*)"
    )
    for number, line in enumerate(text.splitlines(), 1):
        if match := prose.match(line):
            yield number, match[1]
        elif "# " in line:
            yield number, line.partition("# ")[2]


def _sql(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if "-- " in line:
            yield number, line.partition("-- ")[2]


def problems(file: Path) -> Iterator[str]:
    """Yield what the style refuses in one file's sentences."""
    for sentence in of_file(file):
        if sentence.words > MAX_WORDS:
            yield f"{sentence.words} words: {sentence}"
        if phrase := PHRASES.search(sentence.text):
            yield f"'{phrase[0]}': {sentence}"


def local_names(file: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, function and name of every local variable and parameter of a Python file."""
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            label = getattr(function, "name", "lambda")
            arguments = function.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield argument.lineno, label, argument.arg
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.lineno, label, node.id


def catch_alls(files: Iterable[Path]) -> Counter[str]:
    """Count the functions that have a local called by each catch-all name."""
    functions = {(name, file, label) for file in files for _, label, name in local_names(file) if name in CATCH_ALLS}
    return Counter(name for name, _, _ in functions)


def _size_problems(file: Path) -> Iterator[str]:
    source = file.read_text()
    if len(source.splitlines()) > 350:
        yield f"{len(source.splitlines())} lines: {file.relative_to(ROOT)}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 45:
            length = (node.end_lineno or 0) - node.lineno + 1
            yield f"{length} lines: {file.relative_to(ROOT)}:{node.lineno} {node.name}"


def report(file: Path) -> Iterator[str]:
    """Yield everything that the style refuses in one file."""
    yield from problems(file)
    if file.suffix != ".py":
        return
    for line, label, name in local_names(file):
        if name in FORBIDDEN_LOCALS:
            yield f"local '{name}': {file.relative_to(ROOT)}:{line} {label}"
    if "tests" not in file.parts:
        yield from _size_problems(file)


if __name__ == "__main__":
    for path in (Path(argument).resolve() for argument in sys.argv[1:]):
        for each in [path] if path.is_file() else tracked(str(path)):
            for line in report(each):
                print(line)
