"""What was left of it: byte for byte beside a clean backfill, and every departure accounted for."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.authoring import catalog
from pipelines.demo.drill.home import CASE, HISTORY, Home, in_home, make_home, midnight, now_delivered, unfinished
from pipelines.demo.drill.life import Finding, Plan, corrected_name, next_moment

STAGES = ("raw", "validated", "rejected", "quarantine", "features", "outcomes")


def clean(home: Home, folder: Path, plan: Plan) -> Home:
    """A backfill, in one go, of the very extracts that have landed in a home."""
    other = make_home(folder, {})
    shutil.copytree(home.landing, other.landing, copy_function=shutil.copy2)
    last = plan.days[-1] + timedelta(days=1)
    data = [f"{kind}/{s}" for s in catalog.load(CASE).inputs for kind in ("raw", "validated")]
    other.call(
        "run",
        CASE,
        "--from",
        f"{HISTORY}",
        "--to",
        f"{last}",
        "--as-of",
        f"{next_moment(plan)}",
        "--select",
        *data,
        "features",
        "outcomes",
    )
    return other


def compare(home: Home, other: Home, plan: Plan) -> list[Finding]:
    """The data stages of both, byte by byte, on the days lived and the day before."""
    found = []
    first = plan.days[0] - timedelta(days=1)
    for stage in STAGES:
        ours, theirs = (_files(h, stage, first) for h in (home, other))
        differ = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        told = (
            f"{len(ours)} files, byte-equal to a clean backfill" if not differ else f"differ: {', '.join(differ[:5])}"
        )
        found.append(Finding(stage, told, ok=bool(ours or stage in ("rejected", "quarantine")) and not differ))
    return found


def _files(home: Home, stage: str, first: date) -> dict[str, bytes]:
    root = home.folder / "data" / "lake" / CASE
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted((root / stage).rglob("*"))
        if p.suffix in (".json", ".parquet") and p.name[:10] >= f"{first}"
    }


def decided(home: Home, plan: Plan, delivered: dict[str, Any]) -> list[Finding]:
    """Each departure once, unchanged since its delivery, and the late ones by the fallback."""
    from sixtyforty.decisions.deciding import LATE, dataset
    from sixtyforty.storage.duckdb_session import connect

    ws = in_home(home, lambda: catalog.workspace(CASE))
    key = ", ".join(ws.use_case.decision.key)
    with connect(ws.use_case.timezone) as db:
        units = ws.lake.rows(ws.lake.entries("features").values())
        rows = ws.lake.rows(ws.lake.entries(dataset("live")).values())
        start, end = midnight(plan.days[0]), next_moment(plan)
        due = f"(from {units} where decided_at between timestamp '{start}' and timestamp '{end}')"
        one = db.execute(
            f"""select (select count(*) from {due}), (select count(*) from {rows}),
            (select count(distinct ({key})) from {rows}), (select count(*) from {due} anti join {rows} using ({key})),
            (select count(*) from {rows} where reason = '{LATE}'),
            (select count(*) from {rows} where decided_by = 'fallback' and reason <> '{LATE}'),
            (select count(*) from {rows} where decided_by = 'model'),
            (select count(*) from {rows} where decided_by = 'fallback' and action <> current_action)"""
        ).fetchone()
    assert one
    units_due, taken, distinct, missing, late, dead, by_model, astray = one
    now = now_delivered(home)
    same = now == delivered and set(now) == set(delivered)
    return [
        Finding(
            "each departure decided exactly once",
            f"{units_due:,} due, {taken:,} taken, {missing} missing",
            ok=units_due == taken == distinct and not missing,
        ),
        Finding("delivered, and unchanged since", f"{len(now):,} rows", ok=same and len(now) == taken),
        Finding("by the model", f"{by_model:,}", ok=by_model > 0),
        Finding("too late, by the fallback", f"{late:,}", ok=bool(late) == _any(plan, "timetable")),
        Finding("a dead feed, by the fallback", f"{dead:,}", ok=bool(dead) == _any(plan, "movements") and not astray),
    ]


def _any(plan: Plan, source: str) -> bool:
    return any(m.extract.startswith(source) for m in plan.mishaps)


def went_wrong(home: Home, plan: Plan) -> list[Finding]:
    """What was done to the extracts, and what the chain says of each."""
    ws = in_home(home, lambda: catalog.workspace(CASE))
    arrivals = {e.name: e for source in ws.use_case.sources for e in ws.landing.known(source)}
    found = []
    for mishap in plan.mishaps:
        extract = arrivals[mishap.extract]
        if mishap.content:
            mended = arrivals[corrected_name(mishap.extract)]
            told, ok = f"refused: {extract.problem}; then {mended.rows} rows", bool(extract.problem and mended.rows)
        else:
            told, ok = f"{extract.rows} rows taken in when they came", bool(extract.rows and not extract.problem)
        found.append(Finding(mishap.what, told, ok))
    return found


def no_run_left(home: Home) -> Finding:
    """No run is started for ever."""
    left = in_home(home, unfinished)
    return Finding("runs left unfinished", f"{len(left)}", ok=not left)


def told(findings: list[Finding]) -> str:
    """The table."""
    width = max(len(f.what) for f in findings)
    return "\n".join(f"{'ok ' if f.ok else 'NOT'}  {f.what:<{width}}  {f.found}" for f in findings)
