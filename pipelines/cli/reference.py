"""Write docs/reference/cli.md: every command with its options, its examples and the keys of its JSON answer.

`make reference` runs this module. A test checks that the page is up to date.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

from pipelines.cli import exit_codes, renamed
from pipelines.cli.answer import Answer, described_keys
from pipelines.cli.app import command_objects
from pipelines.cli.commands import PANELS
from pipelines.settings import ROOT
from sixtyforty.storage.files import write_atomic

PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """# Command line

`make reference` writes this page from the commands themselves. Change a command's docstring and options, not this page.

Every command is `sixtyforty COMMAND`. Each one also takes:

- `--json`: print the answer as JSON on standard output. An error is `{"error": "…"}`.
- `--debug`: show the traceback of an error.
- `--help`: show the help with examples.

Progress and errors go to standard error. `sixtyforty --install-completion` installs the completion of commands, options
and use cases for your shell.
"""


def page_text() -> str:
    """Return the reference page of the command line as Markdown."""
    commands = command_objects()
    parts = [HEAD, "## Exit codes\n", _exit_code_table()]
    for panel in PANELS:
        parts.append(f"## {panel}\n")
        for name in sorted(commands):
            if commands[name].rich_help_panel == panel:
                parts += _command_section(name, commands[name])
    parts += ["## Renamed commands and options\n", _renamed_table()]
    return "\n".join(parts)


def answer_type(command: Any) -> type[Answer]:
    """Return the class of a command's answer, from the annotation of the command's function."""
    answer: type[Answer] = get_type_hints(inspect.unwrap(command.callback))["return"]
    return answer


def _exit_code_table() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in exit_codes.MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows]) + "\n"


def _renamed_table() -> str:
    rows = [f"| `{old}` | {_as_code(new)} |" for old, new in renamed.COMMANDS.items()]
    rows += [f"| `{command} {old}` | `{command} {new}` |" for (command, old), new in renamed.OPTIONS.items()]
    return "\n".join(["| old | new |", "|---|---|", *sorted(rows)]) + "\n"


def _as_code(text: str) -> str:
    name, separator, rest = text.partition(",")
    return f"`{name}`{separator}{rest}"


def _command_section(name: str, command: Any) -> Iterator[str]:
    yield f"### sixtyforty {name}\n"
    yield f"{inspect.cleandoc(command.help)}\n"
    yield "\n".join(["Examples:\n", *(f"- `{example}`" for example in command.epilog.split("\n\n")[1:])]) + "\n"
    rows = [_parameter_row(parameter) for parameter in command.params if parameter.name not in ("as_json", "debug")]
    if rows:
        yield "\n".join(["| argument or option | needed | meaning |", "|---|---|---|", *rows]) + "\n"
    keys = described_keys(answer_type(command))
    if keys:
        key_rows = [f"| `{key}` | {_cell(about)} |" for key, about in keys.items()]
        yield "\n".join(["| JSON key | content |", "|---|---|", *key_rows]) + "\n"


def _parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        label = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        metavar = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        label = f"`{parameter.opts[0]}{metavar}`"
    return f"| {label} | {'yes' if parameter.required else 'no'} | {_cell(_meaning(parameter))} |"


def _meaning(parameter: Any) -> str:
    """Return an option's help text, followed by the option's default unless the help text states a default."""
    help_text = str(parameter.help or "")
    has_default = parameter.default not in (None, False, "") and "Default:" not in help_text
    return f"{help_text} Default: {parameter.default}." if has_default else help_text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    write_atomic(PAGE, page_text().encode())
