"""Everything people read is in short, plain sentences, and names say what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.language.sentences import (
    CATCH_ALLS,
    FORBIDDEN_LOCALS,
    FORBIDDEN_WORDS,
    MAX_FUNCTIONS,
    ROOT,
    catch_alls,
    local_names,
    of_file,
    problems,
    sentences,
    tracked,
)

CODE = tracked("*.py")
PRODUCT = [file for file in CODE if file.relative_to(ROOT).parts[0] != "tests"]
TEXTS = tracked("*.md", "*.html", "*.yaml", "*.yml", "*.sql", "Makefile")
# What may quote the old words: the changelog, the tables of old names, the checker and the measured results.
QUOTING = {
    "CHANGELOG.md",
    "docs/reference/renamed.md",
    "sixtyforty/spec/renamed_fields.py",
    "tests/language/sentences.py",
    "tests/language/test_sentences.py",
    "bench/RESULTS.md",
}


def _names(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


READ_BY_PEOPLE = [file for file in (*PRODUCT, *TEXTS) if str(file.relative_to(ROOT)) not in QUOTING]


@pytest.mark.parametrize("file", READ_BY_PEOPLE, ids=_names(READ_BY_PEOPLE))
def test_sentences_are_short_and_standard(file: Path) -> None:
    assert list(problems(file)) == []


@pytest.mark.parametrize("file", CODE, ids=_names(CODE))
def test_locals_say_what_they_hold(file: Path) -> None:
    assert [
        f"line {line}: '{name}' in {where}" for line, where, name in local_names(file) if name in FORBIDDEN_LOCALS
    ] == []


def test_catch_all_names_are_rare() -> None:
    counts = catch_alls(CODE)
    assert {name: counts[name] for name in CATCH_ALLS if counts[name] > MAX_FUNCTIONS} == {}


def test_old_words_are_gone() -> None:
    files = [file for file in (*CODE, *TEXTS) if str(file.relative_to(ROOT)) not in QUOTING]
    lines = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if FORBIDDEN_WORDS.search(line)
    ]
    assert lines == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One sentence. Another one!", ["One sentence.", "Another one!"]),
        ("See docs.python.org for e.g. this.", ["See docs.python.org for e.g. this."]),
        (
            "First line\nof a paragraph.\n\n- item one\n- item two",
            ["First line of a paragraph.", "- item one", "- item two"],
        ),
    ],
)
def test_a_text_is_split_into_sentences(text: str, parts: list[str]) -> None:
    assert list(sentences(text)) == parts


def test_long_sentences_and_old_phrases_are_noticed_in_each_kind_of_file(tmp_path: Path) -> None:
    long = "word " * 31
    samples = {
        "a.py": f'def f():\n    """{long}."""\n    raise ValueError(f"it was told {{1}} twice over")\n',
        "b.md": f"# Title\n\n{long}.\n\nThis is surely right.\n",
        "c.html": f"<p>{long}</p><p>{{{{ x }}}} was told of it twice</p>",
        "d.yaml": f"why: {long}\n# this was told of it\n",
        "e.sql": f"-- {long}\n-- this was told of it\nselect 1\n",
    }
    for name, text in samples.items():
        file = tmp_path / name
        file.write_text(text)
        assert len(list(problems(file))) == 2, name
        assert len(list(of_file(file))) >= 2
