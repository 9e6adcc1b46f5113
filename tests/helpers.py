"""A small use case for tests: service calls at two sites, and the visits that follow.

The decision for a call is made one hour before its hour, and the call is known two hours before. Whether the visit was
late is known later that day. The action `act` costs 3 and pays 10 if the visit is late. Today's rule acts on loads
above 0.7.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sixtyforty.ingest.casting import type_rows
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest, pending
from sixtyforty.ingest.repeated_keys import mark_repeated_keys, prepare_repeated_keys
from sixtyforty.modeling import features, outcomes, trainer, training_plan
from sixtyforty.spec.cross_checks import require_consistent
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.storage.sql import identifiers
from sixtyforty.storage.verdicts import Verdict
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
    "description": "Completed visits, from the fitters' phones.",
    "files": "visits_*.csv",
    "columns": {"id": "INTEGER", "seen_at": "TIMESTAMP", "late": "INTEGER"},
    "key": ["id"],
    "partition": "local(seen_at)::date",
    "known_at": "seen_at",
}
SITES = {  # an optional snapshot: make_use_case(folder, sources={"sites": SITES})
    "description": "The sites.",
    "files": "sites*.csv",
    "columns": {"site": "VARCHAR", "size": "INTEGER"},
    "key": ["site"],
}
CREWS = {  # a source that is added while the use case is live
    "description": "The free crews of a day and site, from the planners.",
    "files": "crews_*.csv",
    "columns": {"day": "DATE", "site": "VARCHAR", "free": "INTEGER"},
    "key": ["day", "site"],
    "partition": "day",
    "known_at": "day::timestamp",
}
RESPONSES = {  # optional: make_workspace(folder, **WITH_RESPONSES)
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
WITH_RESPONSES: dict[str, Any] = {
    "sources": {"responses": RESPONSES},
    "people": {"responses": "responses", "unanswered": "done"},
}
UNJUDGED = {"verdict_id": "none", "verdict": Verdict("", "", True, 0, 0, 0, 0, 0, reasons=[], rules=[]).to_dict()}
DECLARED: dict[str, Any] = {
    "name": "calls_in_time",
    "title": "Fitters in time",
    "stage": "poc",
    "owner": "team:service",
    "vision": "Every customer is served in time. Head of service.",
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
        "block_days": 1,  # the days of the synthetic calls are independent
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
    """Write the small use case's SQL to a folder and return the use case. changes: merged into its declaration."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage, text in SQL.items():
        (folder / f"{stage}.sql").write_text(text)
    return require_consistent(UseCase(**merge(DECLARED, changes), folder=folder))


def day_range(first: date, last: date) -> list[str]:
    """Return the keys of the daily partitions from first to last, both included."""
    return [(first + timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]


def merge(declared: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a declaration with changes; mappings are merged key by key."""
    merged = copy.deepcopy(dict(declared))
    for key, change in changes.items():
        are_mappings = isinstance(change, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], change) if are_mappings else change
    return merged


def make_workspace(folder: Path, **changes: Any) -> Workspace:
    """Return the workspace of the small use case in a new home."""
    use_case = make_use_case(folder / "use_case", **changes)
    return Workspace(use_case, folder, f"sqlite:///{folder / 'deliveries.db'}")


def csv_text(source: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> str:
    """Return an extract as CSV: the header of a source (CALLS, VISITS, SITES) and these rows."""
    return "".join(",".join(map(str, row)) + "\n" for row in [list(source["columns"]), *rows])


def land_extract(landing: LandingZone, name: str, text: str | bytes, at: datetime | None = None) -> Path:
    """Write an extract to the landing folder. at: its UTC time; by default one minute after the newest extract."""
    landing.folder.mkdir(parents=True, exist_ok=True)
    newest = max(
        (p.stat().st_mtime for p in landing.folder.iterdir()), default=datetime(2013, 1, 1, tzinfo=UTC).timestamp()
    )
    when = at.replace(tzinfo=UTC).timestamp() if at else newest + 60
    path = landing.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (when, when))
    return path


def calls_on(day: date, count: int = 4) -> list[tuple[int, str, str, float]]:
    """Return the calls of a day, at noon UTC and the hours after, with loads between 0 and 1."""
    noon = datetime(day.year, day.month, day.day, 12)
    number = day.toordinal() % 1000 * 100
    return [
        (number + i, "north" if i % 2 else "south", f"{noon + timedelta(hours=i % 4)}", round((i * 37 % 100) / 100, 2))
        for i in range(count)
    ]


def visits_on(day: date, count: int = 4) -> list[tuple[int, str, int]]:
    """Return the visits of a day, two hours after each call. They are late if the load is above 0.5."""
    return [
        (number, f"{datetime.fromisoformat(hour) + timedelta(hours=2)}", int(load > 0.5))
        for number, _, hour, load in calls_on(day, count)
    ]


def land_days(ws: Workspace, days: Sequence[date], count: int = 4) -> list[str]:
    """Land one extract of calls and one of visits per day. Return the partitions."""
    for day in days:
        land_extract(ws.landing, f"calls_{day}.csv", csv_text(CALLS, calls_on(day, count)))
        land_extract(ws.landing, f"visits_{day}.csv", csv_text(VISITS, visits_on(day, count)))
    return [day.isoformat() for day in days]


def accept_partitions(ws: Workspace, partitions: Sequence[str]) -> None:
    """Bring these partitions from the landing zone to `validated` by the data contract alone, without rules."""
    for name, source in ws.use_case.sources.items():
        keys = list(partitions) if source.partition else [SNAPSHOT]
        raw = ingest(ws.use_case, name, ws.lake, ws.landing, keys, "test")
        if not raw:
            continue
        with ws.lake.open_session(ws.use_case.timezone) as db:
            type_rows(db, source, ws.lake.select_rows(raw.values()))
            prepare_repeated_keys(db, {})
            mark_repeated_keys(db, source)
            columns = identifiers(source.columns)
            rows = db.sql(
                f"select {columns}, _extract::varchar as _extract, _row, _partition::varchar as _partition from typed"
                " where _status = 'row' order by typed._partition, _row"
            ).to_arrow_table()
        for partition, table in split_by_partition(rows, "_partition", keys).items():
            inputs = {f"raw/{name}": versions_by_partition({partition: raw[partition]})}
            ws.lake.write(f"validated/{name}", partition, table, inputs=inputs, code="test", facts=UNJUDGED)


def find_leakage(ws: Workspace, partitions: Sequence[str]) -> list[str]:
    """Return the leakage that the check finds in a sample of these partitions' features."""
    with features.FeatureWindow(ws.use_case, ws.lake, partitions) as window:
        return window.find_leakage(window.build().tables)


def publish_days(ws: Workspace, days: Sequence[date], count: int = 4) -> list[str]:
    """Land these days and publish their features and outcomes, without Great Expectations. Return the partitions."""
    partitions = land_days(ws, days, count)
    publish_landed_days(ws, partitions)
    return partitions


def publish_landed_days(ws: Workspace, partitions: Sequence[str]) -> None:
    """Publish the features and outcomes of partitions whose extracts have landed."""
    accept_partitions(ws, partitions)
    built = features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
    for p, rows in built.tables.items():
        rows = rows.append_column("suspect", pa.nulls(rows.num_rows, pa.string()))
        ws.lake.write("features", p, rows, inputs=built.inputs[p], code="test", facts=UNJUDGED)
    built = outcomes.build_outcomes(ws.use_case, ws.lake, partitions)
    for p, rows in built.tables.items():
        ws.lake.write("outcomes", p, rows, inputs=built.inputs[p], code="test")


def put_champion_in_force(ws: Workspace, day: date, track: str = "replay") -> str:
    """Train on the data published before a day and put the model in force from its start. Return its version."""
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
    """Return the environment that gives access to an S3-compatible server on this machine."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def read_files(folder: StoragePath) -> dict[str, tuple[Any, bytes]]:
    """Return every file below a folder with its modification time (or object tag) and bytes."""
    if isinstance(folder, ObjectPath):
        objects = folder.list_objects(recursive=True)
        contents = folder.read_many(list(objects))
        return {name: (status.tag, contents[name]) for name, status in objects.items()}
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix != ".lock"  # a lock file names its last holder
    }


def read_lake(lake: Lake) -> dict[str, bytes]:
    """Return every file of the lake with its bytes."""
    return {name: content for name, (_, content) in read_files(lake.root).items()}


def without_seen_at(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files by name. In arrivals ledgers, the times at which scans first saw an extract are removed."""
    seen_at = re.compile(rb'"seen_at":"[^"]*"')
    return {name: seen_at.sub(b"", content) if "arrivals/" in name else content for name, content in files.items()}


def pending_extracts(landing: LandingZone, source: str) -> dict[str, list[str]]:
    """Return the extracts of all partitions that raw doesn't hold yet, as a sensor sees them after a patient scan."""
    arrived = {p for e in landing.scan(source, patient=True) for p in e.partitions}
    return pending(landing, source, {*arrived, *landing.lake.partitions(f"raw/{source}")})
