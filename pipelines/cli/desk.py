"""Commands for the desk, the pages of the people who decide: desk and desk-account."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from getpass import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.answer import Answer, show_progress
from pipelines.cli.commands import OPERATE, PEOPLE, command

if TYPE_CHECKING:
    from desk.roles import Grant


@dataclass(frozen=True, kw_only=True)
class DeskAnswer(Answer):
    """Answer of `sixtyforty desk`, without JSON keys: the command runs until you stop the desk."""


@command(OPERATE, "desk", "", "--port 8002")
def desk(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 chooses a free one.")] = 3002,
) -> DeskAnswer:
    """Serve the desk on this machine only, until Ctrl-C."""
    from desk.server import PublicDesk, serve_desk
    from pipelines.authoring import catalog
    from pipelines.operations.foreground import interrupt_on_signals
    from pipelines.settings import load_settings

    loaded = catalog.load_workspaces()
    workspaces, broken = loaded.complete, loaded.invalid
    for problem in broken.values():
        show_progress(f"desk: use case not shown ({problem})")
    settings = load_settings()
    public = PublicDesk(settings.desk_url, settings.provider, settings.address_days)
    with suppress(KeyboardInterrupt), interrupt_on_signals():
        serve_desk(workspaces, port, public, show_progress)
    return DeskAnswer(text="The desk is closed.")


@dataclass(frozen=True, kw_only=True)
class AccountAnswer(Answer):
    """Answer of `sixtyforty desk-account`: the account that was created, changed or removed."""

    account: Annotated[str, "Name of the account."]
    role: Annotated[str | None, "Roles of the account, separated by commas. Null: the account was removed."]
    new: Annotated[bool, "Whether the account was created."]
    removed: Annotated[bool, "Whether the account was removed."]


@command(PEOPLE, "desk-account", "ann --role decider:{demo} --role auditor", "ann", "ann --remove")
def desk_account(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's log-in name.")],
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="decider, expert, owner or auditor: in all use cases, in one (decider:USE_CASE), or in those of a team"
            " (decider:team=TEAM). Repeat the option for several roles. Default: the account keeps its roles.",
        ),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the account. The person's actions stay on record.")
    ] = False,
) -> AccountAnswer:
    """Create, change or remove an account of the desk.

    The command asks for a password, or reads it from a pipe. The person chooses another one at the next log-in.
    """
    from desk import accounts, tables
    from pipelines.cli.errors import CommandError
    from pipelines.cli.security_events import record_event
    from pipelines.settings import load_settings

    if remove and role:
        raise CommandError("--role and --remove exclude each other. Give one of them.")
    database = tables.open_database(load_settings().database_url)
    tables.create_tables(database)
    try:
        if remove:
            accounts.remove_account(database, name)
            record_event("account removed", detail=f"account {accounts.normalize_name(name)}")
            return AccountAnswer(account=name, role=None, new=False, removed=True, text=f"Removed the account {name}.")
        grants = _parse_roles(role) if role else accounts.read_grants(database, name)
        saved = accounts.save_account(database, name, grants, _read_password(), must_change=True)
        detail = f"account {saved.name}, {saved.describe()}, new password"
        record_event("account changed", detail=detail)
    finally:
        database.dispose()
    roles, is_new = saved.new.replace("\n", ", "), saved.old is None
    text = f"Created the account {name} ({roles})."
    if not is_new:
        text = f"Changed the account {name} ({roles}) and logged it out."
    text += " The next log-in asks for a new password."
    return AccountAnswer(account=name, role=roles, new=is_new, removed=False, text=text)


def _parse_roles(texts: Sequence[str]) -> list[Grant]:
    """Parse the roles of an account. Raises GrantError, and CommandError for a use case that doesn't exist."""
    from desk.roles import parse_grant
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError

    grants = [parse_grant(text) for text in texts]
    names = catalog.list_use_cases()
    unknown = sorted({grant.use_case for grant in grants if grant.use_case} - {*names})
    if unknown:
        raise CommandError(f"The use case {', '.join(unknown)} doesn't exist. Use cases: {', '.join(names)}.")
    return grants


def _read_password() -> str:
    """Return the new password: typed twice at the keyboard, or the first line of standard input from a pipe."""
    from pipelines.cli.errors import CommandError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if getpass("Repeat the password: ") != first:
        raise CommandError("The two passwords differ. Nothing was changed.")
    return first
