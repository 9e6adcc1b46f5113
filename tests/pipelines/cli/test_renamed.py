"""The table of renamed commands and options names what exists now."""

from __future__ import annotations

from pipelines.cli import renamed
from pipelines.cli.app import command_objects


def test_new_names_exist_and_old_ones_do_not() -> None:
    commands = command_objects()
    for old, new in renamed.COMMANDS.items():
        assert old not in commands
        assert new.partition(",")[0] in commands
    for command, old in renamed.OPTIONS:
        options = {option for parameter in commands[command].params for option in parameter.opts}
        assert old not in options
        assert renamed.OPTIONS[command, old] in options
