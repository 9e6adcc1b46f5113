"""Register commands: `@command` turns a function that returns an `Answer` into a command of the command line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, TypeVar, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from pipelines.cli import exit_codes, renamed
from pipelines.cli.answer import Answer, show, show_error
from pipelines.cli.progress_display import show_work
from pipelines.demo.registry import EXAMPLE_USE_CASE
from sixtyforty.storage.private_logs import print_traceback

BUILD = "Build a use case"
RUN = "Run its chain and change what decides"
SEE = "See decisions and figures"
PEOPLE = "Work with people"
OPERATE = "Operate the installation"
PANELS = (BUILD, RUN, SEE, PEOPLE, OPERATE)

Function = TypeVar("Function", bound=Callable[..., Answer])
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class _Group(TyperGroup):
    """The group of all commands. An old command name gives an error that states the new name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in renamed.COMMANDS:
            ctx.fail(f"The command '{args[0]}' was renamed. Use {renamed.COMMANDS[args[0]]}.")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names in the order of the help: by panel, and alphabetically within a panel."""
        panels = {name: str(getattr(command, "rich_help_panel", "")) for name, command in self.commands.items()}
        return sorted(self.commands, key=lambda name: (PANELS.index(panels[name]), name))


class _Command(TyperCommand):
    """A command of the command line. An old option name gives an error that states the new name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for option in (argument.partition("=")[0] for argument in args):
            if new := renamed.OPTIONS.get((ctx.info_name, option)):
                ctx.fail(f"The option {option} was renamed. Use {new}.")
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="sixtyforty",
    cls=_Group,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def introduce() -> None:
    """Run the data supply chain of business decisions, and see what the decisions earn.

    Start with `sixtyforty demo`. `sixtyforty COMMAND --help` shows the options and examples of one command.
    """


def command(panel: str, name: str, *examples: str) -> Callable[[Function], Function]:
    """Return a decorator that registers a function as a command.

    The function's docstring becomes the help of the command, its typed parameters become options, and the examples are
    shown at the end of the help. An example is the text after the command's name; `{demo}` stands for the name of a
    demo use case. Each command also has the options `--json` and `--debug`. It exits with code 1 after a
    SixtyfortyError, or if `succeeded` of the answer is false, and with code 3 if `is_warning` is true.
    """

    def register(function: Function) -> Function:
        signature = inspect.signature(function, eval_str=True)
        parsers = {name: parser for name, p in signature.parameters.items() if (parser := _time_parser(p))}

        @functools.wraps(function)
        def run(*, as_json: bool, debug: bool, **arguments: Any) -> None:
            texts = {name: arguments[name] for name in parsers if arguments[name] is not None}
            exit_code = _parse(texts, parsers, arguments, as_json)
            raise typer.Exit(exit_code or _run(functools.partial(function, **arguments), as_json, debug))

        parameters = [_as_text(p) if name in parsers else p for name, p in signature.parameters.items()]
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*parameters, _flag("as_json", AsJson), _flag("debug", Debug)]
        )
        lines = [f"sixtyforty {name} {example.format(demo=EXAMPLE_USE_CASE)}".rstrip() for example in examples]
        epilog = "\n\n".join(["Examples:", *lines])
        app.command(name, cls=_Command, rich_help_panel=panel, epilog=epilog)(run)
        return function

    return register


def _time_parser(parameter: inspect.Parameter) -> Callable[[str], date] | None:
    """Return the function that parses the text of an option of days or times; None for another parameter.

    Typer would leave these texts to pydantic, which reads `20130601` as seconds since 1970.
    """
    kind, *_ = get_args(parameter.annotation) or (parameter.annotation,)
    kinds = {kind, *get_args(kind)}
    if not kinds & {date, datetime}:
        return None
    (declared,) = parameter.annotation.__metadata__
    # Typer keeps the first name of an option as its default until it registers the command.
    is_named = isinstance(declared.default, str)
    option = declared.default if is_named else f"--{parameter.name.replace('_', '-')}"

    def parse(text: str) -> date:
        from sixtyforty.spec.clock import parse_day, parse_time

        return parse_time(text, option) if datetime in kinds else parse_day(text, option)

    return parse


def _as_text(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter of days or times as a parameter of texts."""
    is_optional = parameter.default is not inspect.Parameter.empty
    kind = str | None if is_optional else str
    return parameter.replace(annotation=Annotated[kind, *parameter.annotation.__metadata__])


def _parse(
    texts: Mapping[str, str], parsers: Mapping[str, Callable[[str], date]], arguments: dict[str, Any], as_json: bool
) -> int:
    """Parse the texts of days and times among the arguments. If one is wrong, show the error and return USAGE."""
    from sixtyforty.spec.errors import SixtyfortyError

    try:
        arguments |= {name: parsers[name](text) for name, text in texts.items()}
    except SixtyfortyError as error:
        show_error(error, as_json)
        return exit_codes.USAGE
    return exit_codes.SUCCESS


def _flag(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)


def _run(function: Callable[[], Answer], as_json: bool, debug: bool) -> int:
    """Call a command's function, print its answer or its error, and return the exit code."""
    try:
        with show_work(is_silent=as_json):
            answer = function()
    except Exception as error:
        # Imported only after a failure, because the import also loads all models of a declaration, which takes time.
        from sixtyforty.spec.errors import InterruptedRunError, SixtyfortyError

        if not isinstance(error, SixtyfortyError):
            raise
        if debug:
            print_traceback(error)
        show_error(error, as_json)
        if isinstance(error, InterruptedRunError):
            return exit_codes.after_signal(error.signal)
        return exit_codes.FAILED
    show(answer, as_json)
    if not answer.succeeded:
        return exit_codes.FAILED
    return exit_codes.SIGNIFICANT if answer.is_warning else exit_codes.SUCCESS
