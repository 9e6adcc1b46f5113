"""The SQL files of a use case: a missing, empty or wrong one is reported with its line and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.authoring.sql_files import SQL_FILES, find_sql_files
from sixtyforty.spec.draft import PartialUseCase
from sixtyforty.spec.use_case import UseCase
from tests.full_declaration import write
from tests.helpers import SQL
from tests.invalid_declarations import load_problems


@pytest.mark.parametrize("stage", SQL)
@pytest.mark.parametrize(
    ("text", "line", "meant"),
    [
        (None, 1, ""),
        ("", 1, ""),
        ("-- only words", 1, ""),
        ("selec 1", 1, ""),
        ("select id,\nfrom (", 2, ""),
        ("select id,\n  lod\nfrom units", 2, "load"),
        ("select id\nfrom unitz", 2, "units"),
        ("select site from units", 1, ""),
        ("drop table units", 1, ""),
        ("select 1; select 2", 1, ""),
    ],
)
def test_sql_that_cannot_run_is_reported_with_its_line(stage, text, line, meant, tmp_path: Path):
    folder, rules = write(tmp_path)
    file = folder / f"{stage}.sql"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    problems = [p for p in load_problems(folder, rules, sql=True) if p.file == file]
    assert problems and problems[0].line == line, [str(p) for p in problems]
    assert problems[0].allowed and problems[0].suggestion == meant, str(problems[0])


def test_a_file_with_a_similar_name_is_suggested(tmp_path: Path):
    folder, rules = write(tmp_path)
    (folder / "outcomes.sql").rename(folder / "outcome.sql")
    (rules / folder.name / "calls.yaml").rename(rules / folder.name / "cals.yaml")
    suggestions = {p.file.name: p.suggestion for p in load_problems(folder, rules)}
    assert suggestions == {"outcomes.sql": "outcome.sql", "calls.yaml": "cals.yaml"}


def test_units_sql_is_needed_only_without_a_unit_source(tiny_use_case: UseCase):
    folder, decision = tiny_use_case.folder, tiny_use_case.decision
    files, problems = find_sql_files(PartialUseCase.model_construct(folder=folder, decision=decision))
    assert set(files) == set(SQL_FILES) - {"units"} and not problems
    without_source = decision.model_copy(update={"unit_source": None})
    _, problems = find_sql_files(PartialUseCase.model_construct(folder=folder, decision=without_source))
    assert [(p.file.name, p.message) for p in problems] == [("units.sql", "the file is missing")]


def test_a_file_with_a_todo_mark_is_a_blank_at_its_line(tiny_use_case: UseCase):
    (tiny_use_case.folder / "outcomes.sql").write_text("-- Outcomes.\n-- TODO\nselect 1")
    files, problems = find_sql_files(PartialUseCase.model_construct(folder=tiny_use_case.folder))
    blank = files["outcomes"]
    assert blank and (blank.path, blank.line) == ("outcomes.sql", 2) and not problems
