"""A small use case to test with: service calls at two sites, the visits that follow, and who is called in.

A call is decided on an hour before its hour and known two before; whether the visit was late is seen later that
day. Acting pays 10 for a late visit and costs 3; today's rule acts on loads above 0.7.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sixtyforty.ingest.data_contract import type_rows
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.raw import pending as _pending
from sixtyforty.modeling import features, outcomes, trainer, training_plan
from sixtyforty.spec.cross_checks import require_consistent
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.workspace import Workspace

SQL = {
    "features": """
        select u.id, u.site, u.load, avg(v.late) as late_before from units u
        left join (select c.site, v.late, v.known_at from visits v join calls c using (id)) v
            on v.site = u.site and v.known_at <= u.decided_at
        group by all""",
    "outcomes": "select u.id, v.late, v.known_at from units u left join visits v using (id)",
    "current_process": "select id, case when load > 0.7 then 'act' else 'wait' end as action from units",
}
CALLS = {
    "description": "Service calls, from the call centre.",
    "files": "calls_*.csv",
    "columns": {"id": "INTEGER", "site": "VARCHAR", "call_hour": "TIMESTAMP", "load": "DOUBLE"},
    "key": ["id"],
    "partition": "local(call_hour)::date",
    "known_at": "call_hour - interval 2 hour",
}
VISITS = {
    "description": "Visits as they ended, from the fitters' phones.",
    "files": "visits_*.csv",
    "columns": {"id": "INTEGER", "seen_at": "TIMESTAMP", "late": "INTEGER"},
    "key": ["id"],
    "partition": "local(seen_at)::date",
    "known_at": "seen_at",
}
SITES = {  # a snapshot, for those who want one: make_use_case(folder, sources={"sites": SITES})
    "description": "The sites.",
    "files": "sites*.csv",
    "columns": {"site": "VARCHAR", "size": "INTEGER"},
    "key": ["site"],
}
RESPONSES = {  # for those who want them: make_workspace(folder, **WITH_RESPONSES)
    "description": "What the dispatchers did with the decisions.",
    "query": "select * from calls_in_time_responses",
    "cursor_column": "number",
    "columns": {
        "response_id": "VARCHAR",
        "decision_id": "VARCHAR",
        "person": "VARCHAR",
        "role": "VARCHAR",
        "at": "TIMESTAMP",
        "event": "VARCHAR",
        "action": "VARCHAR",
        "reason": "VARCHAR",
        "rating": "INTEGER",
        "simulated": "BOOLEAN",
    },
    "key": ["response_id"],
    "partition": r"regexp_extract(decision_id, '\d{4}-\d{2}-\d{2}')::date",
    "known_at": "at",
    "personal": ["person", "reason"],
}
WITH_RESPONSES: dict[str, Any] = {"sources": {"responses": RESPONSES}, "people": {"responses": "responses"}}
UNJUDGED = {"verdict_id": "none", "verdict": {"accepted": True, "rules": [], "accepted_rows": 0, "quarantined": 0}}
DECLARED: dict[str, Any] = {
    "name": "calls_in_time",
    "title": "Fitters in time",
    "stage": "poc",
    "owner": "team:service",
    "vision": "Nobody waits in vain. Head of service.",
    "people": {
        "role": "dispatcher",
        "team": "dispatch",
        "headcount": 3,
        "process_step": "Calls a second fitter in.",
        "adoption": "A list on the desk.",
    },
    "timezone": "America/New_York",
    "partitions": {"start": "2013-03-01", "end": "2013-12-31"},
    "sources": {"calls": CALLS, "visits": VISITS},
    "decision": {"unit_source": "calls", "key": ["id"], "decided_at": "call_hour - interval 1 hour"},
    "kpi": {
        "name": "Net value of second fitters",
        "currency": "EUR",
        "measurement": "exact",
        "outcome": "late",
        "outcome_name": "late",
        "unit_plural": "calls",
        "target": 100,
        "actions": {
            "wait": {"description": "call nobody"},
            "act": {"description": "call a second fitter in", "cost": 3, "gain": 10},
        },
    },
    "lookback_partitions": 3,
    "outcome_horizon_partitions": 1,
    "model": {
        "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        "categorical": ["site"],
        "params": {"max_iter": 5, "min_samples_leaf": 5, "early_stopping": False},
        "training_days": 30,
    },
    "gate": {"margin": 50, "max_rejected_share": 0.1},
    "replay": {"first_day": "2013-04-01"},
}


def make_use_case(folder: Path, **changes: Any) -> UseCase:
    """The small use case with its SQL in the folder; `changes` replace what it declares, mappings key by key."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage, text in SQL.items():
        (folder / f"{stage}.sql").write_text(text)
    return require_consistent(UseCase(**merged(DECLARED, changes), folder=folder))


def span(first: date, last: date) -> list[str]:
    """Partition keys of the local days from first to last, both included."""
    return [(first + timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]


def merged(declared: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of what is declared with the changes made, mappings key by key."""
    found = copy.deepcopy(dict(declared))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found


def make_workspace(folder: Path, **changes: Any) -> Workspace:
    """A home with the small use case in it."""
    use_case = make_use_case(folder / "use_case", **changes)
    return Workspace(use_case, folder, f"sqlite:///{folder / 'deliveries.db'}")


def csv(source: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> str:
    """An extract's text: the header of the source (CALLS, VISITS, SITES) and the rows."""
    return "".join(",".join(map(str, row)) + "\n" for row in [list(source["columns"]), *rows])


def land(landing: LandingZone, name: str, text: str | bytes, at: datetime | None = None) -> Path:
    """Puts an extract in the landing folder, as of a UTC moment: by default a minute after the newest one there."""
    landing.folder.mkdir(parents=True, exist_ok=True)
    newest = max(
        (p.stat().st_mtime for p in landing.folder.iterdir()), default=datetime(2013, 1, 1, tzinfo=UTC).timestamp()
    )
    when = at.replace(tzinfo=UTC).timestamp() if at else newest + 60
    path = landing.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (when, when))
    return path


def calls_of(day: date, count: int = 4) -> list[tuple[int, str, str, float]]:
    """A day's calls, at noon UTC and the hours after; loads spread over 0 to 1."""
    noon = datetime(day.year, day.month, day.day, 12)
    number = day.toordinal() % 1000 * 100
    return [
        (number + i, "north" if i % 2 else "south", f"{noon + timedelta(hours=i % 4)}", round((i * 37 % 100) / 100, 2))
        for i in range(count)
    ]


def visits_of(day: date, count: int = 4) -> list[tuple[int, str, int]]:
    """What became of the day's calls, two hours after each: late where the load was above a half."""
    return [
        (number, f"{datetime.fromisoformat(hour) + timedelta(hours=2)}", int(load > 0.5))
        for number, _, hour, load in calls_of(day, count)
    ]


def land_days(ws: Workspace, days: Sequence[date], count: int = 4) -> list[str]:
    """Lands calls and visits of these days, an extract a day each; returns the partitions."""
    for day in days:
        land(ws.landing, f"calls_{day}.csv", csv(CALLS, calls_of(day, count)))
        land(ws.landing, f"visits_{day}.csv", csv(VISITS, visits_of(day, count)))
    return [day.isoformat() for day in days]


def accept(ws: Workspace, partitions: Sequence[str]) -> None:
    """Brings these partitions from the landing zone to `validated`, by the contract alone: no rules, no verdict."""
    for name, source in ws.use_case.sources.items():
        wanted = list(partitions) if source.partition else [SNAPSHOT]
        raw = ingest(ws.use_case, name, ws.lake, ws.landing, wanted, "test")
        if not raw:
            continue
        with connect(ws.use_case.timezone) as db:
            db.execute(f"create temp view landed as select * from {ws.lake.select_rows(raw.values())}")
            type_rows(db, source)
            columns = ", ".join(f'"{c}"' for c in source.columns)
            rows = db.sql(
                f"select {columns}, _extract, _row, _partition from typed where _status = 'row' order by _partition, _row"
            ).to_arrow_table()
        for partition, table in split_by_partition(rows, "_partition", wanted).items():
            inputs = {f"raw/{name}": versions_by_partition({partition: raw[partition]})}
            ws.lake.write(f"validated/{name}", partition, table, inputs=inputs, code="test", facts=UNJUDGED)


def looked_back(ws: Workspace, partitions: Sequence[str], sample: int) -> list[str]:
    """What features of these partitions know of the future."""
    with features.FeatureWindow(ws.use_case, ws.lake, partitions) as window:
        return window.find_leakage(window.build().tables, sample)


def publish(ws: Workspace, days: Sequence[date], count: int = 4) -> list[str]:
    """Brings these days from landing to published features and outcomes, without Great Expectations."""
    partitions = land_days(ws, days, count)
    publish_landed(ws, partitions)
    return partitions


def publish_landed(ws: Workspace, partitions: Sequence[str]) -> None:
    """The same of extracts that lie there."""
    accept(ws, partitions)
    built = features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
    for p, rows in built.tables.items():
        rows = rows.append_column("suspect", pa.nulls(rows.num_rows, pa.string()))
        ws.lake.write("features", p, rows, inputs=built.inputs[p], code="test", facts=UNJUDGED)
    became = outcomes.build_outcomes(ws.use_case, ws.lake, partitions)
    for p, rows in became.tables.items():
        ws.lake.write("outcomes", p, rows, inputs=became.inputs[p], code="test")


def crown(ws: Workspace, day: date, track: str = "replay") -> str:
    """Trains on what was published before the day and puts the model in force from its start; returns its version."""
    plan = training_plan.plan_training(ws.use_case, ws.lake, day)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(trainer.train_models(ws.models, ws.use_case.kpi, [plan.version]))
    ws.champion_ledger.append(
        track=track,
        version=plan.version,
        verdict="PROMOTE",
        kind="first",
        as_of=day.isoformat(),
        effective_from=ws.use_case.day_start(day).isoformat(),
        reasons=["for the test"],
    )
    return plan.version


def s3_environment(endpoint: str) -> dict[str, str]:
    """What opens the buckets of a server on this machine."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def snapshot(folder: StoragePath) -> dict[str, tuple[Any, bytes]]:
    """Every file below the folder with its modification time (or tag) and bytes: what must not change."""
    if isinstance(folder, ObjectPath):
        there = folder.list_objects(recursive=True)
        data = folder.read_many(list(there))
        return {name: (status.tag, data[name]) for name, status in there.items()}
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix != ".lock"  # a lock file names its last holder
    }


def lake_bytes(lake: Lake) -> dict[str, bytes]:
    """Every file of the lake with its bytes."""
    return {name: data for name, (_, data) in snapshot(lake.root).items()}


def pending(landing: LandingZone, source: str) -> dict[str, list[str]]:
    """What raw doesn't hold as it has arrived, of all partitions, as a sensor finds it: after a patient scan."""
    arrived = {p for e in landing.scan(source, patient=True) for p in e.partitions}
    return _pending(landing, source, {*arrived, *landing.lake.partitions(f"raw/{source}")})
