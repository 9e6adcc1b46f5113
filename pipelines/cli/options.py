"""Arguments and options that several commands share."""

from __future__ import annotations

import getpass
from datetime import date
from typing import Annotated

import typer

from sixtyforty.spec.track import Track


def _use_cases(prefix: str) -> list[str]:
    """Return the names of the use cases that start with a prefix, for shell completion."""
    from pipelines.authoring import catalog

    return [name for name in catalog.list_use_cases() if name.startswith(prefix)]


def current_user() -> str:
    """Return the name of the user who runs the command: the default of `--by`."""
    return getpass.getuser()


UseCaseName = Annotated[
    str, typer.Argument(metavar="USE_CASE", help="Name of the use case.", autocompletion=_use_cases)
]
OptionalUseCase = Annotated[
    str | None,
    typer.Argument(metavar="USE_CASE", help="Name of one use case. Default: all use cases.", autocompletion=_use_cases),
]
FirstDay = Annotated[date, typer.Option("--from", metavar="DATE", help="First local day, such as 2013-06-01.")]
LastDay = Annotated[date, typer.Option("--to", metavar="DATE", help="Last local day, inclusive.")]
OptionalFirstDay = Annotated[
    date | None, typer.Option("--from", metavar="DATE", help="First local day. Default: the first day with data.")
]
OptionalLastDay = Annotated[
    date | None,
    typer.Option("--to", metavar="DATE", help="Last local day, inclusive. Default: the last day with data."),
]
TrackName = Annotated[
    Track,
    typer.Option(
        "--track",
        metavar="TRACK",
        help="replay: decisions calculated for the past. live: decisions since the adoption.",
    ),
]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Name of the person to record. Default: your user name.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, which is stored in the ledger.")]
OptionalWhy = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="The reason for a change, which is stored in the ledger.")
]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")]
