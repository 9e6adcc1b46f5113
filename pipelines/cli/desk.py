"""Commands for the desk, the pages of the people who decide: desk and desk-account."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from getpass import getpass
from typing import Annotated

import typer

from pipelines.cli.answer import Answer, show_progress
from pipelines.cli.commands import OPERATE, PEOPLE, command


@dataclass(frozen=True, kw_only=True)
class DeskAnswer(Answer):
    """Answer of `sixtyforty desk`, without JSON keys: the command runs until you stop the desk."""


@command(OPERATE, "desk", "", "--port 8002")
def desk(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 chooses a free one.")] = 3002,
) -> DeskAnswer:
    """Serve the desk on this machine only, until Ctrl-C."""
    from desk.server import serve_desk
    from pipelines.authoring import catalog
    from pipelines.operations.foreground import interrupt_on_signals
    from pipelines.settings import load_settings

    loaded = catalog.load_workspaces()
    workspaces, broken = loaded.complete, loaded.invalid
    for problem in broken.values():
        show_progress(f"desk: use case not shown ({problem})")
    with suppress(KeyboardInterrupt), interrupt_on_signals():
        serve_desk(workspaces, port, load_settings().desk_url, show_progress)
    return DeskAnswer(text="The desk is closed.")


@dataclass(frozen=True, kw_only=True)
class AccountAnswer(Answer):
    """Answer of `sixtyforty desk-account`: the account that was created, changed or removed."""

    account: Annotated[str, "Name of the account."]
    role: Annotated[str | None, "Role of the account. Null: the account was removed."]
    new: Annotated[bool, "Whether the account was created."]
    removed: Annotated[bool, "Whether the account was removed."]


@command(PEOPLE, "desk-account", "ann --role decider", "ann --remove")
def desk_account(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's log-in name.")],
    role: Annotated[
        str | None,
        typer.Option(
            help="The person's role: decider, expert, owner or auditor. The command asks for a password, or reads it"
            " from a pipe."
        ),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the account. The person's actions stay on record.")
    ] = False,
) -> AccountAnswer:
    """Create, change or remove an account of the desk."""
    from desk import accounts, tables
    from pipelines.cli.errors import CommandError
    from pipelines.settings import load_settings

    if remove == (role is not None):
        raise CommandError("Give either --role ROLE to create or change the account, or --remove.")
    database = tables.open_database(load_settings().database_url)
    tables.create_tables(database)
    try:
        if role is None:
            accounts.remove_account(database, name)
            return AccountAnswer(account=name, role=None, new=False, removed=True, text=f"Removed the account {name}.")
        new = accounts.save_account(database, name, role, _read_password())
    finally:
        database.dispose()
    text = f"Created the account {name} ({role})." if new else f"Changed the account {name} ({role}) and logged it out."
    return AccountAnswer(account=name, role=role, new=new, removed=False, text=text)


def _read_password() -> str:
    """Return the new password: typed twice at the keyboard, or the first line of standard input from a pipe."""
    from pipelines.cli.errors import CommandError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if getpass("Repeat the password: ") != first:
        raise CommandError("The two passwords differ. Nothing was changed.")
    return first
