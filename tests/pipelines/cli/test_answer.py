"""Answers are printed in one place, as text or as JSON, and their keys are described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from pipelines.cli.answer import Answer, described_keys, show, show_error, show_progress


class Row(BaseModel):
    """A row of a ledger."""

    number: int


@dataclass(frozen=True, kw_only=True)
class ExampleAnswer(Answer):
    """An answer with a plain and a spread field."""

    day: Annotated[date, "The day."]
    folder: Annotated[Path, "The folder."]
    row: Annotated[Row, "The row."]
    figures: Annotated[Mapping[str, Any], {"gain": "The gain.", "cost": "The cost."}]


ANSWER = ExampleAnswer(
    text="for people", day=date(2024, 1, 2), folder=Path("data"), row=Row(number=3), figures={"gain": 1.5, "cost": 2}
)


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    show(ANSWER, as_json=False)
    assert capsys.readouterr().out == "for people\n"


def test_json_has_the_described_keys_and_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    show(ANSWER, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"day": "2024-01-02", "folder": "data", "row": {"number": 3}, "gain": 1.5, "cost": 2}
    assert described_keys(ExampleAnswer) == {
        "day": "The day.",
        "folder": "The folder.",
        "row": "The row.",
        "gain": "The gain.",
        "cost": "The cost.",
    }


def test_an_error_goes_to_stderr_and_with_json_to_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(ValueError("no such file"), as_json=False)
    assert capsys.readouterr() == ("", "sixtyforty: no such file\n")
    show_error(ValueError("no such file"), as_json=True)
    captured = capsys.readouterr()
    assert (json.loads(captured.out), captured.err) == ({"error": "no such file"}, "sixtyforty: no such file\n")


def test_progress_leaves_stdout_to_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    show_progress("landing extracts")
    assert capsys.readouterr() == ("", "landing extracts\n")
