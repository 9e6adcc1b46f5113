"""Four use cases that cover every shape that a declaration can have, with their extracts and true outcomes."""

from __future__ import annotations

import gzip
import io
import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers import DECLARED
from tests.shapes.chain_run import Shape

FEW_ROWS = {"max_iter": 20, "min_samples_leaf": 5, "early_stopping": False}
CLASSIFIER = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": FEW_ROWS}
REGRESSOR = {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "params": FEW_ROWS}
SHARES = {"none": 0.5, "offer": 0.5}


def declare(name: str, **fields: Any) -> dict[str, Any]:
    """Return a declaration: the fields that every use case needs, and its own."""
    common = {field: DECLARED[field] for field in ("title", "stage", "owner", "vision", "people")}
    return common | {"name": name, "gate": {"margin": 0, "confidence": 0.6}} | fields


def declare_kpi(outcome: str, unit_plural: str, **fields: Any) -> dict[str, Any]:
    """Return a declared KPI: the fields that every KPI needs, and its own."""
    return {
        "name": "Worth",
        "currency": "EUR",
        "measurement": "exact",
        "outcome": outcome,
        "outcome_name": outcome,
        "unit_plural": unit_plural,
        "block_days": 1,  # the days are independent
        "target": 1,
    } | fields


def csv_file(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as a CSV file."""
    return "".join(
        ",".join(map(str, line)) + "\n" for line in [list(rows[0]), *(row.values() for row in rows)]
    ).encode()


def parquet_file(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def day_start(day: date, zone: str) -> datetime:
    """Return the UTC time (naive) at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def hourly_choice() -> Shape:
    """Return hourly partitions at a half-hour offset, and three actions whose payoffs differ by order. CSV, gzip."""
    chance, zone, day = random.Random(1), "Asia/Kolkata", date(2024, 2, 1)
    first, orders, arrivals, truth = day_start(day, zone), [], [], {}
    for hour in range(72):
        for i in range(8):
            at = first + timedelta(hours=hour, minutes=7 * i)
            load, price = round(chance.random(), 3), chance.choice([20, 80])
            late = int(chance.random() < (0.9 if load > 0.6 else 0.05))
            number, opens = 100 * hour + i, first + timedelta(hours=hour)
            orders.append({"id": number, "placed_at": f"{at}", "load": load, "value": price})
            if hour < 71:  # the arrivals of the last hour are never reported
                arrivals.append({"id": number, "seen_at": f"{at + timedelta(minutes=30)}", "late": late})
                truth[f"{opens:%Y-%m-%dT%H%M}", number] = {"late": late, "value": price}
    source = {"key": ["id"], "description": "From the shop."}
    declared = declare(
        "parcels",
        timezone=zone,
        partitions={"every": "hour", "start": "2024-02-01", "end": "2024-02-03"},
        sources={
            "orders": source
            | {
                "files": "orders*.csv.gz",
                "partition": "placed_at",
                "known_at": "placed_at",
                "columns": {"id": "INTEGER", "placed_at": "TIMESTAMP", "load": "DOUBLE", "value": "DOUBLE"},
            },
            "arrivals": source
            | {
                "files": "arrivals*.csv",
                "partition": "seen_at",
                "known_at": "seen_at",
                "columns": {"id": "INTEGER", "seen_at": "TIMESTAMP", "late": "INTEGER"},
            },
        },
        decision={"unit_source": "orders", "key": ["id"], "decided_at": "placed_at"},
        kpi=declare_kpi(
            "late",
            "orders",
            actions={
                "wait": {"description": "wait"},
                "write": {"description": "write to them", "cost": 1, "gain": "value / 8"},
                "call": {"description": "call them", "cost": "value / 5 + 1", "gain": "value / 2"},
            },
        ),
        model=CLASSIFIER | {"training_days": 3},
        lookback_partitions=1,
        outcome_horizon_partitions=1,
        replay={"first_day": "2024-02-03", "retrain": "day", "warm_up_days": 1},
    )
    return Shape(
        declared,
        {
            "features": "select id, load, value from units",
            "outcomes": "select u.id, late, known_at from units u left join arrivals using (id)",
            "current_process": "select id, if(load > 0.5, 'write', 'wait') as action from units",
        },
        {"orders.csv.gz": gzip.compress(csv_file(orders)), "arrivals.csv": csv_file(arrivals)},
        truth,
        day,
        date(2024, 2, 3),
    )


def weekly_ranking() -> Shape:
    """Return weekly partitions on the Chatham Islands, and a ranking of three out of twelve houses every second week.

    units.sql gives the units. The outcome is a number that the action may change, so the money is assumed. Parquet.
    """
    chance, zone, start = random.Random(2), "Pacific/Chatham", date(2024, 3, 3)
    spend, files, truth = {}, {}, {}
    fading = {h: chance.random() < 0.5 for h in range(12)}
    for week in range(17):
        day, rows = start + timedelta(weeks=week), []
        for house in range(12):
            factor = 0.4 if fading[house] and (week + house) % 4 > 1 else 1.0
            spend[week, house] = round(50 * (1 + house % 3) * factor + chance.random(), 2)
            sold = day_start(day, zone) + timedelta(days=house % 7, hours=3)
            rows.append({"house": house, "sold": sold, "spent": spend[week, house]})
        files[f"tills_{day}.parquet"] = parquet_file(rows)
    for week, house in spend:
        if week >= 4:
            usual = sum(spend[week - k, house] for k in (1, 2, 3, 4)) / 4
            truth[f"{start + timedelta(weeks=week)}", house] = max(usual - spend[week, house], 0.0)
    window = "t.day >= u._partition::date - 28 and t.day < u._partition::date"
    tills = "(select house, spent, local(sold)::date as day, known_at from tills) t"
    declared = declare(
        "tills",
        timezone=zone,
        partitions={"every": "week", "start": "2024-03-03", "end": "2024-06-29"},
        sources={
            "tills": {
                "description": "From the tills.",
                "files": "tills_*.parquet",
                "key": ["house", "sold"],
                "partition": "local(sold)::date",
                "known_at": f"timezone('UTC', timezone('{zone}', (local(sold)::date + 7"
                " - dayofweek(local(sold))::int)::timestamp))",
                "columns": {"house": "INTEGER", "sold": "TIMESTAMP", "spent": "DOUBLE"},
            }
        },
        decision={
            "key": ["house"],
            "decided_at": "starts_at + interval 2 hour",
            "every_partitions": 2,
            "anchor_day": "2024-05-12",
            "learn_every_partitions": 1,
        },
        kpi=declare_kpi(
            "loss",
            "houses",
            outcome_type="number",
            measurement="randomized",
            holdout={"share": 0.5, "value_per_outcome": -0.25, "cluster_by": ["house"]},
            actions={
                "none": {"description": "send nothing"},
                "offer": {"description": "send an offer", "cost": 1, "gain": 0.05, "limit": 3, "use_full_limit": True},
            },
        ),
        model=REGRESSOR
        | {
            "training_days": 364,
            "alternatives": {
                "drop": CLASSIFIER | {"description": "whether it falls by a third", "target": "(loss > usual / 3)::int"}
            },
        },
        lookback_partitions=4,
        outcome_horizon_partitions=0,
        replay={"first_day": "2024-05-12", "retrain": "decision", "warm_up_days": 42},
    )
    return Shape(
        declared,
        {
            "units": """
            select distinct p._partition, house from decision_partitions p, (select distinct house from tills)""",
            "features": f"""
            select u._partition, u.house, avg(spent) as usual,
                max_by(spent, day) as newest, min_by(spent, day) as oldest
            from units u join {tills} on t.house = u.house and {window} group by all""",
            "current_process": f"""
            select _partition, house, if(row_number() over (partition by _partition order by usual desc, house) <= 3,
                'offer', 'none') as action
            from (select u._partition, u.house, avg(spent) as usual from units u
                join {tills} on t.house = u.house and {window} group by all)""",
            "outcomes": f"""
            select u._partition, u.house, greatest(avg(spent) filter (day < u._partition::date)
                - max(spent) filter (day >= u._partition::date), 0) as loss, max(t.known_at) as known_at
            from units u join {tills} on t.house = u.house
                and t.day >= u._partition::date - 28 and t.day < u._partition::date + 7
            group by all""",
        },
        files,
        truth,
        start,
        date(2024, 6, 29),
    )


def monthly_amount() -> Shape:
    """Return monthly partitions in Newfoundland, and an amount for each depot of a snapshot. JSON lines and SQL."""
    chance, zone, start = random.Random(3), "America/St_Johns", date(2022, 1, 1)
    depots = [{"depot": f"d{i}", "size": 1 + i % 3} for i in range(12)]
    months = [date(2022 + m // 12, m % 12 + 1, 1) for m in range(18)]
    loads, truth = [], {}
    for month in months:
        for depot in depots:
            needed = 4 * depot["size"] + chance.randrange(4)
            held = day_start(month, zone) + timedelta(days=20)
            loads.append({"number": len(loads) + 1, "depot": depot["depot"], "held": f"{held}", "needed": needed})
            truth[f"{month}", depot["depot"]] = needed
    declared = declare(
        "depots",
        timezone=zone,
        partitions={"every": "month", "start": "2022-01-01", "end": "2023-06-30"},
        sources={
            "depots": {
                "description": "The depots.",
                "files": "depots.jsonl",
                "key": ["depot"],
                "columns": {"depot": "VARCHAR", "size": "INTEGER"},
            },
            "loads": {
                "description": "What was needed.",
                "query": "select * from loads",
                "database": "SHAPES_URL",
                "cursor_column": "number",
                "key": ["depot", "held"],
                "partition": "local(held)::date",
                "known_at": "held + interval 1 day",
                "columns": {"number": "INTEGER", "depot": "VARCHAR", "held": "TIMESTAMP", "needed": "INTEGER"},
            },
        },
        decision={"unit_source": "depots", "key": ["depot"], "decided_at": "starts_at + interval 1 hour"},
        kpi=declare_kpi(
            "needed",
            "depots",
            outcome_type="number",
            amount={
                "description": "people on call",
                "shortage_cost": 60,
                "excess_cost": 20,
                "minimum": 0,
                "maximum": 14,
            },
        ),
        model=REGRESSOR | {"params": FEW_ROWS | {"loss": "quantile"}, "training_days": 400},
        lookback_partitions=2,
        outcome_horizon_partitions=0,
        replay={"first_day": "2023-01-01", "retrain": "month", "warm_up_days": 120},
    )
    return Shape(
        declared,
        {
            "features": """
            select u._partition, u.depot, u.size, max(l.needed) as lately
            from units u left join loads l on l.depot = u.depot and l.known_at <= u.decided_at
                and l._partition >= (u._partition::date - interval 2 month)::date::varchar group by all""",
            "current_process": "select _partition, depot, 4 * size as action from units",
            "outcomes": """
            select u._partition, u.depot, l.needed, l.known_at from units u
            left join loads l on l.depot = u.depot and l._partition = u._partition""",
        },
        {"depots.jsonl": "".join(json.dumps(d) + "\n" for d in depots).encode(), "loads": json.dumps(loads).encode()},
        truth,
        start,
        date(2023, 6, 30),
    )


def daily_experiment() -> Shape:
    """Return daily partitions on Lord Howe Island, whose clock shifts by 30 minutes, and a past experiment. CSV."""
    chance, zone, start = random.Random(4), "Australia/Lord_Howe", date(2024, 3, 28)
    visits, truth = [], {}
    for n in range(16):
        day = start + timedelta(days=n)
        for i in range(40):
            at = day_start(day, zone) + timedelta(hours=9, minutes=5 * i)
            warm, received = chance.random() < 0.5, "offer" if chance.random() < SHARES["offer"] else "none"
            bought = int(chance.random() < (0.8 if warm and received == "offer" else 0.2))
            number = 100 * n + i
            visits.append({"id": number, "came": f"{at}", "warm": int(warm), "got": received, "bought": bought})
            truth[f"{day}", number] = {"got": received, "bought": bought}
    declared = declare(
        "visits",
        timezone=zone,
        partitions={"every": "day", "start": "2024-03-28", "end": "2024-04-12"},
        sources={
            "visits": {
                "description": "From the site.",
                "files": "visits.csv",
                "key": ["id"],
                "partition": "local(came)::date",
                "known_at": "came",
                "columns": {
                    "id": "INTEGER",
                    "came": "TIMESTAMP",
                    "warm": "INTEGER",
                    "got": "VARCHAR",
                    "bought": "INTEGER",
                },
            }
        },
        decision={"unit_source": "visits", "key": ["id"], "decided_at": "came"},
        kpi=declare_kpi(
            "bought",
            "visits",
            measurement="randomized",
            treatment={"column": "got", "shares": SHARES, "value_per_outcome": 10},
            actions={"none": {"description": "send nothing"}, "offer": {"description": "send an offer", "cost": 2}},
        ),
        model=CLASSIFIER | {"training_days": 30},
        lookback_partitions=0,
        outcome_horizon_partitions=1,
        replay={"first_day": "2024-04-07", "retrain": "week", "warm_up_days": 3},
    )
    return Shape(
        declared,
        {
            "features": "select id, warm, hour(came) as hour from units",
            "outcomes": "select u.id, v.bought, v.got, v.came + interval 20 hour as known_at"
            " from units u join visits v using (id)",
            "current_process": "select id, 'offer' as action from units",
        },
        {"visits.csv": csv_file(visits)},
        truth,
        start,
        date(2024, 4, 12),
    )


SHAPES = {shape.__name__: shape for shape in (hourly_choice, weekly_ranking, monthly_amount, daily_experiment)}
