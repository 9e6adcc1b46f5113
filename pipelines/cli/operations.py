"""What keeps it running: its health, its services, its back-ups, and the drill."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Any

from pipelines.cli.say import Problem, say


def doctor(given: Any) -> tuple[Any, str]:
    """What the chain needs, and whether it is there."""
    from pipelines.operations.doctor import examine

    found = examine()
    lines = [
        f"{'ok ' if f['ok'] else 'NOT'}  {f['thing']}: {f['found']}" + ("" if f["ok"] else f"\n     cure: {f['cure']}")
        for f in found
    ]
    return {"ok": all(f["ok"] for f in found if f["needed"]), "things": found}, "\n".join(lines)


def drill(given: Any) -> tuple[Any, str]:
    """A week in which things go wrong."""
    from pipelines.demo.drill import drill

    held, table = drill(given.to, say)
    return {"ok": held, "table": table.splitlines()}, table


def watch(given: Any) -> tuple[Any, str]:
    """Conditions, told to whom they concern."""
    from pipelines.operations.watch import told, watch

    found: list[dict[str, Any]] = []

    def say(row: dict[str, Any]) -> None:
        if given.once:
            found.append(row)
        else:
            print(json.dumps(row) if given.json else told(row), flush=True)

    with suppress(KeyboardInterrupt):
        watch(given.track, None if given.once else given.every, say)
    return {"receipts": found}, "\n".join(map(told, found)) or "nothing new to tell"


def digest(given: Any) -> tuple[Any, str]:
    """Digests, shown or sent."""
    from datetime import timedelta

    from pipelines.authoring import catalog
    from sixtyforty.reports import digests
    from sixtyforty.reports.alerts import by_apprise
    from sixtyforty.spec.clock import now

    ws = catalog.workspace(given.use_case)
    mine = [s for s in ws.use_case.subscriptions if given.role in (None, s.role)]
    if not mine:
        raise Problem(f"{given.use_case} declares no such subscription: see `subscriptions` in its defs.yaml")
    moment = ws.use_case.closes(given.on.isoformat()) - timedelta(seconds=1) if given.on else now()
    if given.send:
        sent = digests.tell(ws, given.track, moment, os.environ, by_apprise, given.role)
        return {"receipts": sent}, "\n".join(map(digests.receipt, sent)) or "nothing is due that wasn't sent"
    found = []
    for one in mine:
        when = digests.period(ws.use_case, one, moment)
        if digests.begun(ws, given.track, when):
            said = digests.compose(ws, given.track, one.role, when)
            found.append({"role": one.role, "cadence": one.cadence, "due": str(when.due), **said.__dict__})
    if not found:
        raise Problem(
            f"nothing to tell yet on the {given.track} track: `sixtyforty adopt`, or --track replay --on DATE"
        )
    return {"digests": found}, "\n\n".join(f"{d['title']} ({d['role']})\n\n{d['text']}" for d in found)


def ui(given: Any) -> tuple[Any, str]:
    """Dagster's pages; doesn't return."""
    from pipelines.settings import ROOT, prepare

    prepare()
    import dagster as dg

    with dg.DagsterInstance.get():  # the storage exists before two services open it at once
        pass
    say(f"Dagster's pages: http://127.0.0.1:{given.port} (Ctrl-C ends it)")
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "dev",
        "-w",
        str(ROOT / "workspace.yaml"),
        "--host",
        "127.0.0.1",
        "--port",
        str(given.port),
    ]
    os.chdir(ROOT)
    os.execv(command[0], command)


def desk(given: Any) -> tuple[Any, str]:
    """The desk; doesn't return until it is ended."""
    from desk.serve import serve
    from pipelines.authoring import catalog
    from pipelines.settings import profile

    workspaces, broken = catalog.complete()
    for text in broken.values():
        say(f"left out: {text}")
    with suppress(KeyboardInterrupt):
        serve(workspaces, given.port, profile().desk_url, say)
    return {}, "The desk is closed."


def desk_account(given: Any) -> tuple[Any, str]:
    """An account of the desk, made, changed or removed."""
    from desk import accounts, tables
    from pipelines.settings import profile

    database = tables.engine(profile().database_url)
    tables.prepare(database)
    try:
        if given.remove:
            accounts.remove(database, given.name)
            return {"account": given.name, "removed": True}, f"{given.name} has no account any more"
        new = accounts.put(database, given.name, given.role, _password())
    finally:
        database.dispose()
    done = "made" if new else "changed; its sessions are ended"
    return {"account": given.name, "role": given.role, "new": new}, f"account {given.name} ({given.role}) {done}"


def _password() -> str:
    """From the keyboard, twice; from a pipe, its first line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if getpass("Once more: ") != first:
        raise Problem("the two differ: nothing was changed")
    return first


def up(given: Any) -> tuple[Any, str]:
    """The services, started."""
    from desk.serve import prepared
    from pipelines.operations import services
    from pipelines.settings import profile

    prepared(profile().database_url, say).dispose()  # here, as what the set's own desk says goes into a log
    found = services.up(given.port, given.readonly_port, given.desk_port)
    lines = [
        f"Dagster's pages: {found['pages']}",
        f"to look only:    {found['read_only']}",
        f"the desk:        {found['desk']}",
        f"logs:            {found['logs']}",
    ]
    lines += [f"{name:16} {state}" for name, state in found["programs"].items()]
    lines += [f"run {run} had died with its machine; it was told so" for run in found["reaped"]]
    return found, "\n".join([*lines, "ready"])


def down(_: Any) -> tuple[Any, str]:
    """The services, stopped."""
    from pipelines.operations import services

    found = services.down()
    return found, "stopped" if found["was_running"] or found["left_over"] else "nothing was running"


def backup(given: Any) -> tuple[Any, str]:
    """A back-up, made."""
    from pipelines.operations.backup import backup

    made = backup(given.to.resolve(), given.patience)
    return {**made, "files": len(made["files"])}, f"{len(made['files']):,} files in {given.to}"


def recover(given: Any) -> tuple[Any, str]:
    """A back-up, brought back."""
    from pipelines.operations.backup import recover

    found = recover(given.source.resolve())
    return found, f"{found['files']:,} files of {found['made']} are back; next: sixtyforty doctor, then sixtyforty up"
