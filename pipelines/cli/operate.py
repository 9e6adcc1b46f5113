"""Commands that keep the installation running: doctor, watch, ui, up, down and drill."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.answer import Answer, show_progress
from pipelines.cli.commands import OPERATE, command
from pipelines.cli.options import Port, TrackName


@dataclass(frozen=True, kw_only=True)
class DoctorAnswer(Answer):
    """Answer of `sixtyforty doctor`: everything that the chain needs, and whether it is available."""

    ok: Annotated[bool, "Whether every check passed."]
    things: Annotated[
        Sequence[Any],
        "One object for each check: thing, ok, needed (by every run), found (its state), cure (null where ok).",
    ]

    @property
    def succeeded(self) -> bool:
        """Whether every check passed."""
        return self.ok


@command(OPERATE, "doctor", "", "--json")
def doctor() -> DoctorAnswer:
    """Check everything that the chain needs, and show the cure for each problem."""
    from pipelines.operations.doctor import examine

    things = examine()
    lines = []
    for thing in things:
        lines.append(f"{'ok ' if thing.ok else 'NOT'}  {thing.thing}: {thing.found}")
        if not thing.ok:
            lines.append(f"     cure: {thing.cure}")
    ok = all(thing.ok for thing in things)
    return DoctorAnswer(ok=ok, things=things, text="\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class WatchAnswer(Answer):
    """Answer of `sixtyforty watch`: a receipt for each alert that was sent."""

    receipts: Annotated[
        Sequence[Mapping[str, Any]],
        "With --once: one receipt for each alert and address. Without --once, each receipt is one line of JSON.",
    ]


@command(OPERATE, "watch", "", "--once --json")
def watch(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Check every use case once, then end.")] = False,
    interval_seconds: Annotated[float, typer.Option(min=1, help="Seconds between two checks of the use cases.")] = 60.0,
    track: TrackName = "live",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1 for /healthz and /metrics. Default: none.")
    ] = None,
) -> WatchAnswer:
    """Watch runs, sensors, extracts and gains, and alert the declared people once about each problem."""
    from pipelines.operations.foreground import interrupt_on_signals, print_line
    from pipelines.operations.watch import ShownReceipt, describe_receipt, watch_all

    as_json = bool(ctx.params["as_json"])
    receipts: list[ShownReceipt] = []

    def show_receipt(receipt: ShownReceipt) -> None:
        if once:
            receipts.append(receipt)
        else:
            print_line(json.dumps(receipt.to_dict()) if as_json else describe_receipt(receipt))

    with suppress(KeyboardInterrupt), interrupt_on_signals():
        if port and not once:
            from pipelines.operations.metrics import serve_metrics
            from pipelines.settings import prepare_dagster_home

            prepare_dagster_home()
            serve_metrics(port)
        watch_all(track, None if once else interval_seconds, show_receipt)
    text = "\n".join(map(describe_receipt, receipts)) or "No new alerts."
    return WatchAnswer(receipts=[receipt.to_dict() for receipt in receipts], text=text)


@dataclass(frozen=True, kw_only=True)
class UiAnswer(Answer):
    """Answer of `sixtyforty ui`, without JSON keys: the command runs until you stop Dagster's pages."""


@command(OPERATE, "ui", "", "--port 3010")
def ui(port: Port = 3000) -> UiAnswer:
    """Serve Dagster's pages and daemon on this machine only, until Ctrl-C."""
    from pipelines.operations.services import serve_ui

    show_progress(f"Dagster's pages: http://127.0.0.1:{port} (Ctrl-C stops them)")
    serve_ui(port)
    return UiAnswer(text="Dagster's pages are closed.")


@dataclass(frozen=True, kw_only=True)
class UpAnswer(Answer):
    """Answer of `sixtyforty up`: the running services."""

    pages: Annotated[str, "Address of Dagster's pages."]
    read_only: Annotated[str, "Address of Dagster's pages that cannot change anything."]
    desk: Annotated[str, "Address of the desk."]
    logs: Annotated[Path, "Folder of the logs."]
    programs: Annotated[Mapping[str, str], "State of each service. RUNNING: the service works."]
    reaped: Annotated[Sequence[str], "Ids of runs whose process was gone. These runs are now marked failed."]


@command(OPERATE, "up", "", "--port 8000 --readonly-port 8001 --desk-port 8002 --watch-port 8003")
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Dagster's pages on 127.0.0.1.")] = 3000,
    readonly_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Dagster's read-only pages.")] = 3001,
    desk_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the desk.")] = 3002,
    watch_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of /healthz and /metrics.")] = 3003,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until SIGTERM or Ctrl-C, as systemd and containers need it.")
    ] = False,
) -> UpAnswer:
    """Start all services (pages, desk, daemon, watch) and keep them running in the background."""
    from desk.server import prepare_database
    from pipelines.operations import services
    from pipelines.settings import load_settings

    # The command creates the accounts, because the desk service would print the new passwords into a log.
    prepare_database(load_settings().database_url, show_progress).dispose()
    if foreground:
        services.run_in_foreground(port, readonly_port, desk_port, watch_port)
    running = services.up(port, readonly_port, desk_port, watch_port)
    lines = [
        f"Dagster's pages: {running.pages}",
        f"read-only pages: {running.read_only}",
        f"the desk:        {running.desk}",
        f"logs:            {running.logs}",
        *(f"{name:16} {state}" for name, state in running.programs.items()),
        *(f"run {run_id}: marked failed, because its process is gone" for run_id in running.reaped),
        "ready",
    ]
    return UpAnswer(**vars(running), text="\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class DownAnswer(Answer):
    """Answer of `sixtyforty down`: the services that were stopped."""

    was_running: Annotated[bool, "Whether the services were running."]
    left_over: Annotated[int, "Number of leftover processes of earlier services that were ended."]


@command(OPERATE, "down", "")
def down() -> DownAnswer:
    """Stop all services, and end leftover processes of earlier services."""
    from pipelines.operations import services

    stopped = services.down()
    text = "The services are stopped." if stopped.was_running or stopped.left_over else "No service was running."
    return DownAnswer(was_running=stopped.was_running, left_over=stopped.left_over, text=text)


@dataclass(frozen=True, kw_only=True)
class DrillAnswer(Answer):
    """Answer of `sixtyforty drill`: the checks of the drill, and whether they passed."""

    ok: Annotated[bool, "Whether every check passed."]
    table: Annotated[Sequence[str], "One line of text for each check."]

    @property
    def succeeded(self) -> bool:
        """Whether every check of the drill passed."""
        return self.ok


@command(OPERATE, "drill", "", "--folder /tmp/drill")
def drill(
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Run the drill in this empty folder, and keep the folder. Default: a temporary folder.",
        ),
    ] = None,
) -> DrillAnswer:
    """Run a week of the demo with broken extracts and killed processes. Check that every decision is taken once."""
    from pipelines.demo.drill.drill import run_drill

    report = run_drill(folder, show_progress)
    return DrillAnswer(ok=report.ok, table=report.table.splitlines(), text=report.table)
