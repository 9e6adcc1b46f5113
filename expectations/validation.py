"""The gate: raw partitions in, verdicts out, and only what was accepted becomes `validated`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from expectations.gx_runner import failing
from expectations.row_rules import breaking
from expectations.rule_results import partition_results, row_results
from expectations.suites import Rule, Suite, unspoken
from sixtyforty.ingest.data_contract import LINEAGE, type_rows
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.verdicts import Verdict

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

SAMPLE = 20  # row numbers shown of each failed rule
COUNTS = ("landed", "accepted_rows", "quarantined", "duplicates", "superseded")


def validate(
    use_case: UseCase,
    source: str,
    suite: Suite,
    lake: Lake,
    partitions: Sequence[str],
    as_of: datetime | None,
    code: str,
) -> dict[str, Verdict]:
    """Validates raw partitions and publishes what passes; returns the verdict of each that has landed.

    Accepted: rows to `validated/<source>`, bad ones to `quarantine/<source>`, the verdict in both manifests.
    Rejected: nothing is published; the verdict goes to `rejected/<source>`, and a version accepted earlier stays
    in force. `as_of` (UTC, naive) tells which partitions are closed; None: all are.
    """
    raw = lake.entries(f"raw/{source}", partitions)
    if not raw:
        return {}
    with connect(use_case.timezone) as db:
        db.execute(f"create temp view landed as select * from {lake.select_rows(raw.values())}")
        type_rows(db, use_case.sources[source])
        _check_rows(db, use_case, source, suite, lake)
        metrics = _metrics(db, suite)
        whole_hits = failing(f"{source}_partitions", metrics, suite.partition.rules)
        counts = _counted(db)
        per_rule = _by_partition(db)
        verdicts = {
            p: _judge(
                use_case, source, suite, raw[p], counts.get(p, {}), per_rule.get(p, {}), metrics, whole_hits, as_of
            )
            for p in raw
        }
        _publish(db, source, use_case.sources[source], lake, raw, verdicts, code)
    return verdicts


def _known(lake: Lake, rule: Rule) -> str:
    """SQL: whether a row's value is among another source's, for a rule whose `value_set` names one.

    Handing Great Expectations the values themselves costs a second for a few thousand of them.
    """
    wanted, column = rule.kwargs["value_set"], rule.kwargs["column"]
    entry = lake.entry(f"validated/{wanted['source']}", SNAPSHOT)
    there = f'"{wanted["column"]}"'
    values = f"select {there} from {lake.select_rows([entry])} where {there} is not null" if entry else "select null limit 0"
    return f'("{column}" is null or "{column}" in ({values}))'


def _check_rows(db: duckdb.DuckDBPyConnection, use_case: UseCase, source: str, suite: Suite, lake: Lake) -> None:
    """Runs the row rules: makes `hits` (rule, id: the table's rowid), and marks the rows that break a critical one."""
    import pandas as pd

    # what can't be derived of a bad row is null there, and not the end of the whole range
    derived = {name: f"try({sql})" for name, sql in use_case.sources[source].derived.items()}
    rules = []
    for number, rule in enumerate(suite.rows):
        if isinstance(rule.kwargs.get("value_set"), dict):
            derived[f"_known_{number}"] = _known(lake, rule)
            rule = rule.model_copy(update={"kwargs": {"column": f"_known_{number}", "value_set": [True]}})
        rules.append(rule)
    asked = "".join(f', "{c}"' for c in sorted({c for r in rules for c in r.columns}))
    columns = "".join(f", {sql} as {name}" for name, sql in derived.items())
    db.execute(
        f"""create or replace temp table asked as
        select _id{asked} from (select rowid as _id, *{columns} from typed where _status = 'row')"""
    )
    breaking(db, source, "asked", rules)
    told = [
        (n, f"{r.type.removeprefix('expect_')}: {r.column}")
        for n, r in enumerate(suite.rows)
        if r.severity == "critical"
    ]
    db.register("told", pd.DataFrame(told, columns=["rule", "why"]).astype({"rule": "int64", "why": "str"}))
    marks = "select id, string_agg(why, '; ' order by why) as why from hits join told using (rule) group by id"
    db.execute(f"update typed set _status = 'quarantined', _reason = m.why from ({marks}) m where typed.rowid = m.id")


def _metrics(db: duckdb.DuckDBPyConnection, suite: Suite) -> pd.DataFrame:
    """One row a partition with rows: `_partition` and the suite's metrics, over the rows that are kept."""
    aggregates = "".join(f", {sql} as {name}" for name, sql in suite.partition.metrics.items())
    return db.execute(
        f"select _partition{aggregates} from typed where _status = 'row' group by _partition order by _partition"
    ).df()


def _counted(db: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Per partition, what became of the rows that landed: COUNTS, which conservation is about."""
    return {
        r[0]: dict(zip(COUNTS, r[1:], strict=True))
        for r in db.execute(
            """select _partition, count(*), count(*) filter (_status = 'row'), count(*) filter
            (_status = 'quarantined'), count(*) filter (_status = 'duplicate'), count(*) filter
            (_status = 'superseded') from typed group by 1"""
        ).fetchall()
    }


def _by_partition(db: duckdb.DuckDBPyConnection) -> dict[str, dict[int, tuple[int, list[int]]]]:
    """Per partition and rule number: how many rows failed, and the first few rows' numbers in their files."""
    found: dict[str, dict[int, tuple[int, list[int]]]] = {}
    for partition, rule, count, lines in db.execute(
        f"""select _partition, rule, count(*), (list(_row order by _row))[1:{SAMPLE}]
        from hits join typed on typed.rowid = hits.id group by all"""
    ).fetchall():
        found.setdefault(partition, {})[rule] = (count, lines)
    return found


def _judge(
    use_case: UseCase,
    source: str,
    suite: Suite,
    raw: Entry,
    counts: dict[str, int],
    hits: dict[int, tuple[int, list[int]]],
    metrics: pd.DataFrame,
    whole_hits: list[list[int]],
    as_of: datetime | None,
) -> Verdict:
    refused = [e for e in raw.facts["extracts"] if e["problem"]]
    lost = sum(e["refused"] for e in refused)
    count = dict.fromkeys(COUNTS, 0) | counts
    checked = count["accepted_rows"] + count["quarantined"]
    count["landed"], count["quarantined"] = count["landed"] + lost, count["quarantined"] + lost
    reasons = [f"{e['name']}: {e['problem']}" for e in refused]
    accepted = bool(count["accepted_rows"]) or not (refused or count["quarantined"])
    share = count["quarantined"] / max(1, count["landed"])
    if share > use_case.governance.max_quarantined_share:
        accepted = False
        reasons.append(f"{share:.0%} of the rows are bad; {use_case.governance.max_quarantined_share:.0%} may be")
    hidden = unspoken(suite, use_case.sources[source])
    closed = raw.partition == SNAPSHOT or as_of is None or as_of >= use_case.settled_at(raw.partition)
    whole, failures = partition_results(suite, raw.partition, metrics, whole_hits, closed, hidden)
    rules = row_results(suite, hits, checked, hidden) + whole
    return Verdict(
        source,
        raw.partition,
        accepted and not failures,
        reasons=reasons + failures,
        rules=rules,
        closed=closed,
        **count,
    )


def _publish(
    db: duckdb.DuckDBPyConnection,
    source: str,
    contract: Source,
    lake: Lake,
    raw: dict[str, Entry],
    verdicts: dict[str, Verdict],
    code: str,
) -> None:
    lineage = ", ".join(LINEAGE)
    key = ", ".join(f'"{c}"' for c in contract.key)
    rows = db.sql(
        f"""select * exclude (_reason, _status, _seq, {lineage}), {lineage} from typed where _status = 'row'
        order by _partition, {key}, {lineage}"""
    ).to_arrow_table()
    bad = db.sql(
        "select * exclude (_status) from typed where _status = 'quarantined' order by _partition, _seq, _row"
    ).to_arrow_table()
    good_parts = split_by_partition(rows, "_partition", list(raw))
    bad_parts = split_by_partition(bad, "_partition", list(raw))
    nothing = rows.drop_columns(["_partition"]).slice(0, 0)

    def publish(partition: str) -> None:
        verdict = verdicts[partition]
        write = partial(
            lake.write,
            partition=partition,
            inputs={f"raw/{source}": versions_by_partition({partition: raw[partition]})},
            code=code,
            facts={"verdict": verdict.to_dict(), "verdict_id": verdict.id},
        )
        if verdict.accepted:
            write(f"validated/{source}", table=good_parts.get(partition, nothing))
            lake.drop(f"rejected/{source}", partition)
        else:
            write(f"rejected/{source}", table=nothing)
        if partition in bad_parts:
            write(f"quarantine/{source}", table=bad_parts[partition])
        else:
            lake.drop(f"quarantine/{source}", partition)

    run_in_parallel(publish, verdicts)
