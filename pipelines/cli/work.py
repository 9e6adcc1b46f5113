"""What people have done: extracts landed, days run, champions put in force, training data brought back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.cli.answers import impact
from pipelines.cli.say import Problem, say
from sixtyforty.storage.object_store import Where

if TYPE_CHECKING:
    from pipelines.demo.registry import Demo


def demo(given: Any) -> tuple[Any, str]:
    """The whole loop on each use case's demo year, or on one."""
    from pipelines.authoring import catalog
    from pipelines.demo.registry import DEMOS
    from pipelines.operations.run import run_across

    names = [given.use_case] if given.use_case else list(DEMOS)
    found, told, look = {}, [], []
    for name in names:
        people = _relive(name)
        found[name], table = impact(argparse.Namespace(use_case=name, track="replay"))
        ws = catalog.workspace(name)
        told.append(f"{ws.use_case.title}\n{table}")
        look.append(f"Open {ws.reports / 'impact.html'} for what it was worth{people},")
    run_across()
    look += [
        f"{ws.reports.parent / 'portfolio.html'} for all of them side by side,",
        "`make desk` for the page of those who decide (it says where, and as whom to log in),",
        "`make ui` and http://127.0.0.1:3000 for the chains in Dagster's pages,",
        f"and `.venv/bin/sixtyforty champion {names[-1]} --history` for which model decided when, and why.",
    ]
    return found, "\n\n".join([*told, "\n".join(look)])


def _relive(name: str) -> str:
    """Lands a use case's demo year and runs the chain on it; what the people did is simulated where it takes that."""
    from pipelines.authoring import catalog
    from pipelines.operations.run import run_range

    ws, data = catalog.workspace(name), _demo_data(name)
    say(f"{ws.use_case.title}: landing the year's extracts …")
    landed = _landed(ws.landing.folder, data.land)
    say(f"{len(landed)} extracts in {ws.landing.folder}; running the chain:")
    run_range(name, ws.use_case.partitions.start, data.LAST_DAY)
    if ws.use_case.people.responses is None:
        return ""
    say("simulating what people might have done with the decisions (no real person's responses):")
    _, simulated = simulate(argparse.Namespace(use_case=name, first=None, last=None, seed=0))
    return f" (what people did is simulated: {simulated}; `sixtyforty acceptance` tells of them)"


def _demo_data(name: str) -> Demo:
    from pipelines.demo.registry import DEMOS

    if name not in DEMOS:
        raise Problem(f"there is demo data for {', '.join(DEMOS)}, not for '{name}'")
    return DEMOS[name]


def new(given: Any) -> tuple[Any, str]:
    """A use case, begun."""
    from pipelines.authoring.scaffold import begin

    draft, files = begin(given.name, given.extracts, given.like)
    found = [
        f"{n}: {s.files or 'a query'}; a row is told by {', '.join(s.key)}, its partition"
        f" {f'by {s.partition}' if s.partition else 'is all'}"
        for n, s in draft.sources.items()
    ]
    lines = [
        f"{given.name} is begun, as a draft. Its extracts:",
        *(f"  {line}" for line in found),
        "Still blank, and what for:",
        *(f"  {b}" for b in draft.missing),
        "What is guessed and matters says CHECK. Written:",
        *(f"  {f}" for f in files),
    ]
    blank = [{"what": b.what, "why": b.why, "file": str(b.file), "line": b.line} for b in draft.missing]
    return {"use_case": given.name, "files": [str(f) for f in files], "blank": blank}, "\n".join(lines)


def land(given: Any) -> tuple[Any, str]:
    """The demo's extracts, landed."""
    from pipelines.authoring import catalog

    data = _demo_data(given.use_case)
    folder = catalog.workspace(given.use_case).landing.folder
    files = _landed(folder, lambda there: data.land(there, given.first, given.last, given.hourly))
    return {"folder": str(folder), "files": [f.name for f in files]}, f"{len(files)} extracts in {folder}"


def _landed(folder: Where, land: Callable[[Path], list[Path]]) -> list[Path]:
    """Lands extracts in a folder; in an object store by way of one, in their order."""
    if isinstance(folder, Path):
        return land(folder)
    with TemporaryDirectory() as here:
        files = land(Path(here))
        for file in files:
            (folder / file.name).write(file.read_bytes())
        return files


def simulate(given: Any) -> tuple[Any, str]:
    """Simulated responses, and the chain from them on."""
    from pipelines.authoring import catalog
    from pipelines.operations.run import run_range
    from sixtyforty.decisions.simulation import simulate

    ws = catalog.workspace(given.use_case)
    source = ws.use_case.people.responses
    if not source:
        raise Problem(f"{given.use_case} takes no responses: people.responses names no source")
    first, last = given.first or ws.use_case.replay.first_day, given.last or ws.use_case.partitions.end or date.today()
    added = simulate(ws, ws.use_case.holding(first, last), given.seed)
    run_range(
        given.use_case, first, last, select=[f"raw/{source}", f"validated/{source}", "acceptance", "impact_report"]
    )
    return {"simulated": added}, f"{added:,} SIMULATED responses added"


def run(given: Any) -> tuple[Any, str]:
    """A range of days, run."""
    from pipelines.authoring import catalog
    from pipelines.operations.run import run_range

    catalog.checked(given.use_case)
    if given.spread:
        from pipelines.operations.spread import spread

        runs = spread(given.use_case, given.first, given.last, given.spread, given.track, given.as_of)
        return {"runs": runs}, f"{len(runs)} runs done"
    run_id = run_range(given.use_case, given.first, given.last, given.as_of, given.track, select=given.select)
    return {"run_id": run_id}, f"run {run_id} done"


def adopt(given: Any) -> tuple[Any, str]:
    """Live begins with the replay's champion."""
    from sixtyforty.lifecycle.champions import adopt

    return _by_hand(given, adopt, version=given.model)


def approve(given: Any) -> tuple[Any, str]:
    """A challenger, approved."""
    from sixtyforty.lifecycle.champions import approve

    return _by_hand(given, approve, version=given.version)


def rollback(given: Any) -> tuple[Any, str]:
    """An earlier champion, back in force."""
    from sixtyforty.lifecycle.champions import rollback

    return _by_hand(given, rollback, to=given.to)


def _by_hand(given: Any, act: Callable[..., Any], **what: Any) -> tuple[Any, str]:
    from pipelines.authoring import catalog
    from sixtyforty.spec.clock import now

    row = act(catalog.workspace(given.use_case), by=given.by, why=given.why, moment=now(), **what)
    return row.model_dump(), f"{row.verdict} {row.version} from {row.effective_from} UTC, by {row.by}: {given.why}"


def finding(given: Any) -> tuple[Any, str]:
    """What somebody found, kept."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.model_record import note

    kept = note(catalog.workspace(given.use_case), given.by, given.text, given.title)
    return kept.model_dump(), f"finding {kept.seq}, by {kept.by}: {kept.title}"


def restore(given: Any) -> tuple[Any, str]:
    """What a model learned from, brought back."""
    from pipelines.authoring import catalog

    ws, versions = catalog.workspace(given.use_case), catalog.versions()
    if given.model:
        if not given.to:
            raise Problem("--model needs --to FOLDER")
        files = versions.restore(ws.models.folder(given.model), given.to)
        return {"model": given.model, "files": [str(f) for f in files]}, "\n".join(map(str, files))
    pointers = [p for p in versions.bring_pointers() if p.startswith(f"data/recipe/{given.use_case}/")]
    versions.pull(pointers)
    stages = f"train@{given.use_case} evaluate@{given.use_case}"
    return {"pointers": pointers}, f"the recipe's inputs are here; run `dvc repro {stages}`"
