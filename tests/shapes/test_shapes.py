"""Every shape a declaration can have, through the whole chain, and its money counted again unit by unit."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from expectations import suites
from sixtyforty.accounting import kpi_summary
from tests.helpers import DECLARED
from tests.shapes.living import Life, Shape, Unit, by_hand, live

pytestmark = pytest.mark.e2e

SPARSE = {"max_iter": 20, "min_samples_leaf": 5, "early_stopping": False}
CLASSIFIER = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": SPARSE}
REGRESSOR = {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "params": SPARSE}
SHARES = {"none": 0.5, "offer": 0.5}


def declare(name: str, **said: Any) -> dict[str, Any]:
    """A use case: what each of them must say, and what this one says."""
    common = {k: DECLARED[k] for k in ("title", "stage", "owner", "vision", "people")}
    return common | {"name": name, "gate": {"margin": 0, "confidence": 0.6}} | said


def money(outcome: str, noun: str, **said: Any) -> dict[str, Any]:
    """A KPI likewise."""
    return {
        "name": "Worth",
        "currency": "EUR",
        "measurement": "exact",
        "outcome": outcome,
        "outcome_name": outcome,
        "unit_plural": noun,
        "target": 1,
    } | said


def csv(rows: list[dict[str, Any]]) -> bytes:
    return "".join(",".join(map(str, line)) + "\n" for line in [list(rows[0]), *(r.values() for r in rows)]).encode()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def begins(day: date, zone: str) -> datetime:
    """The UTC moment, naive, at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def hourly_choice() -> Shape:
    """Hours of India's half-hour clock; one of three actions; what they bring and cost differs by order. CSV, gzip."""
    draw, zone, day = random.Random(1), "Asia/Kolkata", date(2024, 2, 1)
    first, orders, arrivals, truth = begins(day, zone), [], [], {}
    for hour in range(72):
        for i in range(8):
            at = first + timedelta(hours=hour, minutes=7 * i)
            load, value = round(draw.random(), 3), draw.choice([20, 80])
            late = int(draw.random() < (0.9 if load > 0.6 else 0.05))
            number, opens = 100 * hour + i, first + timedelta(hours=hour)
            orders.append({"id": number, "placed_at": f"{at}", "load": load, "value": value})
            if hour < 71:  # what of the last one is seen an hour later, nobody sees
                arrivals.append({"id": number, "seen_at": f"{at + timedelta(minutes=30)}", "late": late})
                truth[f"{opens:%Y-%m-%dT%H%M}", number] = {"late": late, "value": value}
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
        kpi=money(
            "late",
            "orders",
            actions={
                "wait": {"description": "wait"},
                "write": {"description": "write to them", "cost": 1, "gain": "value / 8"},
                "call": {"description": "call them", "cost": "value / 5 + 1", "gain": "value / 2"},
            },
        ),
        model=CLASSIFIER | {"training_days": 3},
        lookback=1,
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
        {"orders.csv.gz": gzip.compress(csv(orders)), "arrivals.csv": csv(arrivals)},
        truth,
        day,
        date(2024, 2, 3),
    )


def weekly_ranking() -> Shape:
    """Weeks from Sunday on Chatham's clock; every second week the worst three of twelve, by SQL's units; a number is
    foretold, and saved by what is done: assumed until a holdout tells. Parquet, a file a week."""
    draw, zone, start = random.Random(2), "Pacific/Chatham", date(2024, 3, 3)
    spend, files, truth = {}, {}, {}
    fading = {h: draw.random() < 0.5 for h in range(12)}
    for week in range(17):
        day, rows = start + timedelta(weeks=week), []
        for house in range(12):
            kept = 0.4 if fading[house] and (week + house) % 4 > 1 else 1.0
            spend[week, house] = round(50 * (1 + house % 3) * kept + draw.random(), 2)
            sold = begins(day, zone) + timedelta(days=house % 7, hours=3)
            rows.append({"house": house, "sold": sold, "spent": spend[week, house]})
        files[f"tills_{day}.parquet"] = parquet(rows)
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
        kpi=money(
            "loss",
            "houses",
            outcome_type="number",
            label="randomized",
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
        lookback=4,
        outcome_horizon_partitions=0,
        replay={"first_day": "2024-05-12", "retrain": "decision", "warm_up_days": 42},
    )
    return Shape(
        declared,
        {
            "units": "select distinct m._partition, house from decision_partitions m, (select distinct house from tills)",
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
    """Months on Newfoundland's clock; how many to staff at each of a snapshot's depots. JSON lines, and SQL."""
    draw, zone, start = random.Random(3), "America/St_Johns", date(2022, 1, 1)
    depots = [{"depot": f"d{i}", "size": 1 + i % 3} for i in range(12)]
    months = [date(2022 + m // 12, m % 12 + 1, 1) for m in range(18)]
    loads, truth = [], {}
    for month in months:
        for one in depots:
            needed = 4 * one["size"] + draw.randrange(4)
            moment = begins(month, zone) + timedelta(days=20)
            loads.append({"number": len(loads) + 1, "depot": one["depot"], "held": f"{moment}", "needed": needed})
            truth[f"{month}", one["depot"]] = needed
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
        kpi=money(
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
        model=REGRESSOR | {"params": SPARSE | {"loss": "quantile"}, "training_days": 400},
        lookback=2,
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
    """Days on Lord Howe's clock, which moves by half an hour; offers were dealt at random, and move some. CSV."""
    draw, zone, start = random.Random(4), "Australia/Lord_Howe", date(2024, 3, 28)
    visits, truth = [], {}
    for n in range(16):
        day = start + timedelta(days=n)
        for i in range(40):
            at = begins(day, zone) + timedelta(hours=9, minutes=5 * i)
            warm, got = draw.random() < 0.5, "offer" if draw.random() < SHARES["offer"] else "none"
            bought = int(draw.random() < (0.8 if warm and got == "offer" else 0.2))
            number = 100 * n + i
            visits.append({"id": number, "came": f"{at}", "warm": int(warm), "got": got, "bought": bought})
            truth[f"{day}", number] = {"got": got, "bought": bought}
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
        kpi=money(
            "bought",
            "visits",
            label="randomized",
            treatment={"column": "got", "shares": SHARES, "value_per_outcome": 10},
            actions={"none": {"description": "send nothing"}, "offer": {"description": "send an offer", "cost": 2}},
        ),
        model=CLASSIFIER | {"training_days": 30},
        lookback=0,
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
        {"visits.csv": csv(visits)},
        truth,
        start,
        date(2024, 4, 12),
    )


SHAPES = {s.__name__: s for s in (hourly_choice, weekly_ranking, monthly_amount, daily_experiment)}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Life]]:
    """Each shape's life, all in this process."""
    patch, rules = pytest.MonkeyPatch(), tmp_path_factory.mktemp("rules")
    patch.setattr(suites, "HERE", rules)
    found = {}
    for name, shape in SHAPES.items():
        folder, made = tmp_path_factory.mktemp(name), shape()
        if "loads" in made.extracts:  # the rows of a database
            patch.setenv("SHAPES_URL", f"sqlite:///{folder / 'source.db'}")
            with sa.create_engine(f"sqlite:///{folder / 'source.db'}").begin() as db:
                db.execute(sa.text("create table loads (number integer, depot text, held timestamp, needed integer)"))
                rows = json.loads(made.extracts.pop("loads"))
                db.execute(sa.text("insert into loads values (:number, :depot, :held, :needed)"), rows)
        found[name] = live(folder, rules, made)
    yield found
    patch.undo()


@pytest.mark.parametrize("name", SHAPES)
def test_the_chain_holds_what_it_promises(lives: dict[str, Life], name: str) -> None:
    life = lives[name]
    for check in ("conservation", "no_time_travel", "money_reconciles", "features_current", "operational"):
        assert life.checks[check] == {True}, check
    assert life.by_the_model()
    found = kpi_summary.summarise_kpi(life.ws, "replay")
    assert found["decisions"] == sum(map(len, life.units.values()))
    assert found["gain"] > 0


def assert_money(life: Life, pays: Any) -> dict[str, Any]:
    found, mine = kpi_summary.summarise_kpi(life.ws, "replay"), by_hand(life.units, pays)
    assert found["totals"] | mine == pytest.approx(found["totals"] | {}, abs=0.01)
    return found


def test_several_actions_paid_by_columns_hour_by_hour(lives: dict[str, Life]) -> None:
    life = lives["hourly_choice"]

    def pays(unit: Unit, action: str, expected: float | None = None) -> float:
        late = unit["outcome"]["late"] if expected is None else expected
        value = unit["outcome"]["value"]
        return {"wait": 0, "write": value / 8 * late - 1, "call": value / 2 * late - (value / 5 + 1)}[action]

    found = assert_money(life, pays)
    everybody = [u for units in life.units.values() for u in units]
    best = sum(max(pays(u, a) for a in ("wait", "write", "call")) for u in everybody)
    assert found["totals"]["perfect_foresight"] == pytest.approx(best, abs=0.01)
    assert found["label"] == "exact"
    for unit in life.by_the_model():
        options = {a: pays(unit, a, unit["expected"]) for a in ("wait", "write", "call")}
        assert options[unit["action"]] == pytest.approx(max(options.values()))
    assert {u["action"] for u in everybody} == {"wait", "write", "call"}
    assert list(life.units) == sorted(life.units)
    assert all(p[13:] == "30" for p in life.units)  # hours begin at half past, in UTC


def test_a_ranking_under_a_limit_every_second_week_is_assumed(lives: dict[str, Life]) -> None:
    life = lives["weekly_ranking"]

    def pays(unit: Unit, action: str) -> float:
        return 0.05 * unit["outcome"] - 1 if action == "offer" else 0.0

    found = assert_money(life, pays)
    assert found["label"] == "assumed"
    best = 0.0
    for units in life.units.values():
        best += sum(max(0.05 * loss - 1, 0) for loss in sorted((u["outcome"] for u in units), reverse=True)[:3])
    assert found["totals"]["perfect_foresight"] == pytest.approx(best, abs=0.01)
    weeks = [date.fromisoformat(p) for p in life.units]
    assert {(b - a).days for a, b in itertools.pairwise(weeks)} == {14}
    for units in life.units.values():
        assert sum(u["action"] == "offer" for u in units) == 3
        if all(u["decided_by"] == "model" for u in units):
            ranked = sorted(units, key=lambda u: -u["expected"])
            assert {u["house"] for u in ranked[:3]} == {u["house"] for u in units if u["action"] == "offer"}
    learned = life.ws.models.card(life.ws.champion_ledger.promotions("replay")[-1].version)["data"]["features"]
    both = [date.fromisoformat(p) for p in learned]
    assert {(b - a).days for a, b in itertools.pairwise(both)} == {7}  # each week is learned from


def test_an_amount_by_the_month_for_each_of_a_snapshot(lives: dict[str, Life]) -> None:
    life = lives["monthly_amount"]

    def pays(unit: Unit, action: str) -> float:
        short = unit["outcome"] - float(action)
        return -60 * short if short > 0 else 20 * short

    found = assert_money(life, pays)
    everybody = [u for units in life.units.values() for u in units]
    best = sum(pays(u, str(min(u["outcome"], 14))) for u in everybody)
    assert found["totals"]["perfect_foresight"] == pytest.approx(best, abs=0.01)
    for unit in life.by_the_model():
        assert float(unit["action"]) in range(15)
        assert abs(float(unit["action"]) - min(max(unit["expected"], 0), 14)) <= 0.5
    short = sum(u["outcome"] > float(u["action"]) for u in life.by_the_model())
    assert short < len(life.by_the_model()) / 2  # too few cost more than too many


def test_actions_dealt_at_random_tell_by_a_difference_in_means(lives: dict[str, Life]) -> None:
    life = lives["daily_experiment"]

    def pays(unit: Unit, action: str) -> float:
        if unit["outcome"]["got"] != action:
            return 0.0
        return (10 * unit["outcome"]["bought"] - (2 if action == "offer" else 0)) / SHARES[action]

    found = assert_money(life, pays)
    assert found["label"] == "randomized"
    assert found["totals"]["perfect_foresight"] is None
    differ = [u for u in life.by_the_model() if u["action"] != u["current_action"]]
    assert differ  # cold visitors get no offer
    assert all(u["action"] == "none" for u in differ)
