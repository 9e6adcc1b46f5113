"""docs/reference/cli.md is what the commands say, and describes every option and JSON key."""

from __future__ import annotations

import pytest

from pipelines.cli import reference
from pipelines.cli.answer import Answer, described_keys
from pipelines.cli.app import command_objects

COMMANDS = command_objects()


def test_the_page_is_current() -> None:
    assert reference.PAGE.read_text() == reference.page_text(), "run: make reference"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_described_options_and_a_typed_answer(name: str) -> None:
    command = COMMANDS[name]
    section = reference.page_text().split(f"### sixtyforty {name}\n", 1)[1].split("\n### ", 1)[0]
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name} has no help"
        if parameter.name not in ("as_json", "debug"):
            assert (parameter.metavar or parameter.opts[0]) in section
    answer = reference.answer_type(command)
    assert issubclass(answer, Answer) and answer is not Answer
    for key, about in described_keys(answer).items():
        assert f"| `{key}` | {about.replace('|', chr(92) + '|')} |" in section
