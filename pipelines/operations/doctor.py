"""What the chain needs, whether it is there, and the cure."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.authoring import catalog
from pipelines.settings import profile
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import Mistakes

Thing = tuple[str, bool, Callable[[], str], str]  # what, whether the chain can't run without, the look, the cure
ENOUGH = 2_000_000_000  # bytes free


def examine() -> list[dict[str, Any]]:
    """Each thing: `thing`, `ok`, `needed` (the chain can't run without), `found` and `cure`."""
    things: list[Thing] = [
        ("storage", True, _storage, "make the folder writable, or set SIXTYFORTY_HOME to one that is"),
        ("disk", True, _disk, "free at least 2 GB, or set SIXTYFORTY_HOME to a larger disk"),
        ("database", True, _database, "check SIXTYFORTY_DATABASE_URL, and that the server runs"),
        ("dvc_remote", True, _remote, "check SIXTYFORTY_DVC_REMOTE, and that it can be written to"),
    ]
    for name in catalog.names():
        things += _of(name)
    if profile().name != "embedded":
        things.append(("services", False, _services, "start them: make up"))
    else:
        things.append(("daemon", False, _daemon, "start it: make ui"))
    return [_examined(*t) for t in things]


def _of(name: str) -> list[Thing]:
    """Of a use case: its declaration; extracts and settings, if that can be read; its ledgers, if it can decide."""
    found: list[Thing] = [(f"declaration of {name}", True, partial(_declaration, name), "mend what it says")]
    try:
        case = catalog.load(name)
    except Mistakes:
        return found
    found += [
        (f"landing zone of {name}", False, partial(_landing, name), f"land extracts: sixtyforty land {name}"),
        (f"settings of {name}", False, partial(_settings, name), "set them in the environment"),
    ]
    if isinstance(case, Draft):
        return found
    return [
        *found,
        (
            f"champion ledger of {name}",
            True,
            partial(_ledger, name),
            "restore champion.jsonl and champion.head from a backup",
        ),
        (
            f"rollout ledger of {name}",
            True,
            partial(_rollout, name),
            "restore rollout.jsonl and rollout.head from a backup",
        ),
        (
            f"ledgers of stages, training and vendors of {name}",
            True,
            partial(_passages, name),
            "restore stages.jsonl, training.jsonl, given.jsonl and their .head from a backup",
        ),
        (
            f"stage of {name}",
            False,
            partial(_stage, name),
            "declare what it has earned, or have the declared gate registered: `sixtyforty stage --register`",
        ),
        (
            f"findings of {name}",
            False,
            partial(_findings, name),
            "restore findings.jsonl and findings.head from a backup",
        ),
    ]


def _examined(thing: str, needed: bool, look: Callable[[], str], cure: str) -> dict[str, Any]:
    try:
        return {"thing": thing, "ok": True, "needed": needed, "found": look(), "cure": None}
    except Exception as error:  # whatever is wrong is what we were asked to tell
        return {"thing": thing, "ok": False, "needed": needed, "found": _said(error), "cure": cure}


def _said(error: Exception) -> str:
    """The first line; all lines of what is a list."""
    return str(error) if isinstance(error, Mistakes) else f"{error}".splitlines()[0]


def _declaration(name: str) -> str:
    found = catalog.checked(name)
    if not isinstance(found, Draft):
        return f"{found.title}, stage {found.stage}: complete"
    blanks = "\n       ".join(map(str, found.missing))
    return f"a draft: extracts are taken in, checked and profiled, no more; still blank:\n       {blanks}"


def _storage() -> str:
    folder = profile().home / "data"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return f"{folder} can be written to"


def _disk() -> str:
    free = shutil.disk_usage(profile().home).free
    if free < ENOUGH:
        raise OSError(f"{free / 1e9:.1f} GB free")
    return f"{free / 1e9:.0f} GB free"


def _database() -> str:
    import sqlalchemy as sa

    url = sa.engine.make_url(profile().database_url)
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
    finally:
        engine.dispose()
    stored = ", Dagster's storage too" if profile().name != "embedded" else ""
    return f"{url.get_backend_name()} {version} at {url.render_as_string(hide_password=True)}{stored}"


def _remote() -> str:
    remote = profile().dvc_remote
    if "://" in remote:
        scheme, _, rest = remote.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]} (not tried: it is tried at the next retrain)"
    Path(remote).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=remote):
        return f"{remote} can be written to"


def _landing(name: str) -> str:
    landing = catalog.workspace(name).landing
    counts = {source: len(landing.listed(source)) for source in landing.use_case.sources}
    if not any(counts.values()):
        raise FileNotFoundError(f"{landing.folder} has no extracts")
    return f"{landing.folder}, {sum(counts.values())} extracts"


def _settings(name: str) -> str:
    use_case = catalog.load(name)
    wanted = {s.database for s in use_case.sources.values() if s.database}
    wanted |= {variable for variables in use_case.alerts.values() for variable in variables}
    missing = sorted(v for v in wanted if not os.environ.get(v))
    if missing:
        raise LookupError(f"not set: {', '.join(missing)}")
    told = f"{len(wanted)} variables it names are set; alerts go to {', '.join(use_case.alerts) or 'the console'}"
    silent = [f"{s.role} (${v} is not set)" for s in use_case.subscriptions for v in s.to if not os.environ.get(v)]
    return f"{told}; no digests yet for {', '.join(silent)}" if silent else told  # which is no fault of the chain's


def _ledger(name: str) -> str:
    return f"{len(catalog.workspace(name).ledger.rows())} rows, the chain of hashes holds"


def _rollout(name: str) -> str:
    return f"{len(catalog.workspace(name).rollout.rows())} steps, the chain of hashes holds"


def _passages(name: str) -> str:
    from sixtyforty.lifecycle.training import trainings
    from sixtyforty.lifecycle.vendor_extracts import gifts

    ws = catalog.workspace(name)
    counts = [len(ledger.rows()) for ledger in (ws.progress, trainings(ws), gifts(ws))]
    return f"{', '.join(map(str, counts))} rows, the chains of hashes hold"


def _stage(name: str) -> str:
    from sixtyforty.lifecycle.stage_gate import differs, earned

    ws = catalog.workspace(name)
    if found := differs(ws):
        raise ValueError("; ".join(found))
    return f"{earned(ws)}, as declared" + ("" if ws.use_case.stages else "; no gates are declared")


def _findings(name: str) -> str:
    from sixtyforty.reports.findings import findings

    return f"{len(findings(catalog.workspace(name)).rows())} by hand, the chain of hashes holds"


def _services() -> str:
    from pipelines.operations.services import states

    found = states(profile())
    ill = [f"{name} is {state}" for name, state in found.items() if state != "RUNNING"]
    if ill or not found:
        raise RuntimeError(", ".join(ill) or "not supervised: pages don't answer, schedules and sensors don't tick")
    return ", ".join(f"{name} {state}" for name, state in found.items())


def _daemon() -> str:
    from pipelines.settings import prepare

    prepare()
    import dagster as dg
    from dagster._daemon.controller import all_daemons_live

    with dg.DagsterInstance.get() as instance:
        if not all_daemons_live(instance):
            raise RuntimeError("the daemon isn't running: schedules and sensors don't tick")
    return "alive"
