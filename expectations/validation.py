"""Validate raw partitions of a source by its suite. Only rows and partitions that pass become `validated`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from expectations.gx_runner import find_failing_rows
from expectations.publication import Publication
from expectations.row_rules import record_failing_rows
from expectations.rule_decimals import read_frame
from expectations.rule_results import SAMPLE_ROWS, RowFailures, partition_rule_results, row_rule_results
from expectations.rules import Rule, Suite, personal_names
from sixtyforty.ingest.casting import type_rows
from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.ingest.moved_keys import SharedKeys
from sixtyforty.ingest.restored_rows import RestoredRows
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry, split_by_rows
from sixtyforty.storage.memory import memory_limit
from sixtyforty.storage.restatement import is_closed, is_judged
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.storage.verdicts import Verdict

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

BYTES_PER_ROW = 1000  # about the memory that a row needs while it is validated


@dataclass(frozen=True)
class RowCounts:
    """The numbers of rows of a raw partition. `landed` is the sum of the other four numbers."""

    landed: int = 0
    accepted_rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    superseded: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Row counts and metrics of several partitions of a source, and which rows and metrics fail the suite's rules.

    counts: numbers of rows by partition.
    row_failures: failing rows by partition and number of the rule.
    metrics: the suite's metrics, one row per partition with accepted rows.
    failing_metrics: for each rule about partitions, the positions of the rows of `metrics` that fail the rule.
    """

    counts: Mapping[str, RowCounts]
    row_failures: Mapping[str, Mapping[int, RowFailures]]
    metrics: pd.DataFrame
    failing_metrics: Sequence[Sequence[int]]


def validate(
    use_case: DecisionChain,
    source: str,
    suite: Suite,
    lake: Lake,
    partitions: Sequence[str],
    now: datetime | None,
    code: str,
) -> dict[str, Verdict]:
    """Validate raw partitions of a source, write the results to the lake, and return the verdicts by partition.

    The valid rows of an accepted partition are written to `validated/<source>`. The invalid rows of every partition are
    written to `quarantine/<source>`. Of a rejected partition, only the verdict is written, to `rejected/<source>`. If
    an earlier version of a rejected partition was accepted, `validated/<source>` keeps that version.

    A key is in force in one partition only (see `moved_keys`). So the verdicts include those of other partitions that
    changed because a key moved to or from them.

    now: the time (UTC, naive) that decides which partitions are closed; None treats all of them as closed.
    code: the code version to write into manifests.
    """
    verdicts: dict[str, Verdict] = {}
    rows_per_portion = memory_limit() // BYTES_PER_ROW
    for portion in split_by_rows(lake.entries(f"raw/{source}", partitions), rows_per_portion):
        verdicts |= _validate_portion(use_case, source, suite, lake, portion, now, code)
    return verdicts


def _validate_portion(
    use_case: DecisionChain,
    source: str,
    suite: Suite,
    lake: Lake,
    raw: Mapping[str, Entry],
    now: datetime | None,
    code: str,
) -> dict[str, Verdict]:
    """Validate as many raw partitions as fit into memory, as `validate` does. raw: their manifests by partition."""
    contract, requested = use_case.sources[source], set(raw)
    with lake.open_session(use_case.timezone) as db:
        shared_keys = SharedKeys(db, use_case, source, lake)
        raw = shared_keys.load_landed(raw)
        before = _read_judged(lake, source, raw)
        type_rows(db, contract, _newest_full_extracts(contract, raw))
        shared = shared_keys.set_compared_aside(raw)
        publication = Publication(db, lake, source, contract, raw, shared, code)
        restored = RestoredRows(db, lake, source, contract, shared_keys.compared)
        verdicts = _judge_portion(use_case, source, suite, raw, shared, restored, now)
        # Partitions whose raw rows changed come last. If the process is killed before that, the next run finds them and
        # repeats both groups.
        settled = {p: verdict for p, verdict in verdicts.items() if is_judged(raw[p], before[p])}
        publication.remove_moved_rows(verdicts)
        publication.publish(settled)
        publication.publish({p: verdict for p, verdict in verdicts.items() if p not in settled})
    after = _read_judged(lake, source, raw)
    return {p: verdict for p, verdict in verdicts.items() if p in requested or after[p] != before[p]}


def _judge_portion(
    use_case: DecisionChain,
    source: str,
    suite: Suite,
    raw: Mapping[str, Entry],
    shared: Mapping[str, Sequence[str]],
    restored: RestoredRows,
    now: datetime | None,
) -> dict[str, Verdict]:
    """Evaluate a suite on the table `typed`, and return the verdicts of its partitions.

    A row that isn't published must not supersede another. So rows whose correction fails a critical rule, or whose key
    moved to a rejected partition, are restored and evaluated in another round, until no row is restored. The verdict of
    such a rejected partition stands. shared: the partitions that share keys with each partition.
    """
    db, verdicts, blocking = restored.db, dict[str, Verdict](), set[str]()
    while True:
        _quarantine_failing_rows(db, use_case.sources, source, suite, restored.lake, blocking if verdicts else None)
        if verdicts:
            restored.supersede_failing_again()
        metrics = _read_metrics(db, suite)
        failing_metrics = find_failing_rows(f"{source}_partitions", metrics, suite.partition.rules)
        evaluation = Evaluation(_count_rows(db), _read_row_failures(db), metrics, failing_metrics)
        verdicts |= {
            p: _judge(use_case, source, suite, entry, evaluation, now) for p, entry in raw.items() if p not in blocking
        }
        blocking |= restored.find_blocking({p for p in shared if p in verdicts and not verdicts[p].accepted} - blocking)
        may_restore = any(verdict.superseded for verdict in verdicts.values()) and (
            blocking or restored.compared or any(verdict.quarantined for verdict in verdicts.values())
        )
        if not may_restore or not restored.restore(blocking):
            return verdicts


def _read_judged(lake: Lake, source: str, partitions: Iterable[str]) -> dict[str, list[Entry]]:
    """Return the manifests in `validated/<source>` and `rejected/<source>`, by partition."""
    partitions = list(partitions)
    datasets = [lake.entries(f"{kind}/{source}", partitions) for kind in ("validated", "rejected")]
    return {p: [entries[p] for entries in datasets if p in entries] for p in partitions}


def _newest_full_extracts(contract: Source, raw: Mapping[str, Entry]) -> dict[str, int]:
    """Return the arrival number of each partition's newest readable extract, if the source's extracts are full."""
    if not contract.full:
        return {}
    return {p: max((e.seq for e in listed_extracts(raw[p]) if not e.problem), default=0) for p in raw}


def _is_known_sql(lake: Lake, sources: Mapping[str, Source], rule: Rule) -> str:
    """Return a SQL condition for a rule whose `value_set` names a column: the value is null or in that column.

    The check runs in SQL because Great Expectations takes a second for a set of a few thousand values.
    """
    value_set, column = rule.kwargs["value_set"], identifier(rule.kwargs["column"])
    entry = lake.entry(f"validated/{value_set['source']}", SNAPSHOT)
    known = identifier(value_set["column"])
    values = "select null limit 0"
    if entry:
        rows = select_validated_rows(lake, sources[value_set["source"]], [entry])
        values = f"select {known} from {rows} where {known} is not null"
    return f"({column} is null or {column} in ({values}))"


def _quarantine_failing_rows(
    db: duckdb.DuckDBPyConnection,
    sources: Mapping[str, Source],
    source: str,
    suite: Suite,
    lake: Lake,
    done: Collection[str] | None,
) -> None:
    """Evaluate a suite's rules about rows, and mark the rows of table `typed` that fail a critical rule as quarantined.

    The failing rows are in the table `failures` (see `row_rules`), by their rowid in `typed`.

    done: the partitions that are not evaluated again after an earlier round; None in the first round. Their failures
    stay, and so do those of rows that are quarantined already.
    """
    is_due = f"_status = 'row' and _partition not in ({', '.join(map(literal, ['', *sorted(done or ())]))})"
    if done is not None:
        db.execute(
            f"""create or replace temp table earlier_failures as
            select f.* from failures f join typed on typed.rowid = f.id where not ({is_due})"""
        )
    # A derived column is null in a row for which it can't be computed. One bad row must not stop the validation.
    derived = {name: f"try({sql})" for name, sql in sources[source].derived.items()}
    rules = []
    for number, rule in enumerate(suite.rows):
        if isinstance(rule.kwargs.get("value_set"), dict):
            name = f"_known_{number}"
            derived[name] = _is_known_sql(lake, sources, rule)
            rule = rule.model_copy(update={"kwargs": rule.kwargs | {"column": name, "value_set": [True]}})
        rules.append(rule)
    checked = identifiers(sorted({"_id", "_partition"}.union(*(rule.read_columns for rule in rules))))
    computed = "".join(f", {sql} as {identifier(name)}" for name, sql in derived.items())
    db.execute(
        f"""create or replace temp table checked_rows as select {checked}
        from (select rowid as _id, *{computed} from typed where {is_due})"""
    )
    record_failing_rows(db, source, "checked_rows", rules)
    if done is not None:
        db.execute("insert into failures from earlier_failures")
    _mark_quarantined(db, suite)


def _mark_quarantined(db: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    import pandas as pd

    reasons = [
        (number, f"{rule.column}: {rule.why}") for number, rule in enumerate(suite.rows) if rule.severity == "critical"
    ]
    frame = pd.DataFrame(reasons, columns=["rule", "reason"]).astype({"rule": "int64", "reason": "str"})
    db.register("critical_rules", frame)
    db.execute(
        """update typed set _status = 'quarantined', _reason = m.reason from (
            select id, string_agg(reason, '; ' order by reason) as reason
            from failures join critical_rules using (rule) group by id) m
        where typed.rowid = m.id"""
    )


def _read_metrics(db: duckdb.DuckDBPyConnection, suite: Suite) -> pd.DataFrame:
    """Return a suite's metrics: one row per partition with accepted rows, computed on these rows."""
    aggregates = "".join(f", {sql} as {identifier(name)}" for name, sql in suite.partition.metrics.items())
    return read_frame(
        db, f"select _partition{aggregates} from typed where _status = 'row' group by _partition order by _partition"
    )


def _count_rows(db: duckdb.DuckDBPyConnection) -> dict[str, RowCounts]:
    """Return the numbers of landed, accepted, quarantined, duplicate and superseded rows by partition."""
    counts = db.execute(
        """select _partition, count(*), count(*) filter (_status = 'row'),
            count(*) filter (_status = 'quarantined'), count(*) filter (_status = 'duplicate'),
            count(*) filter (_status = 'superseded')
        from typed group by 1"""
    ).fetchall()
    return {partition: RowCounts(*numbers) for partition, *numbers in counts}


def _read_row_failures(db: duckdb.DuckDBPyConnection) -> dict[str, dict[int, RowFailures]]:
    """Return, by partition and number of the rule, how many rows fail the rule, and the first of their row numbers.

    A row number is the number of the row in its extract.
    """
    failures: dict[str, dict[int, RowFailures]] = {}
    for partition, rule, count, rows in db.execute(
        f"""select _partition, rule, count(*), min(_row, {SAMPLE_ROWS})
        from failures join typed on typed.rowid = failures.id group by all"""
    ).fetchall():
        failures.setdefault(partition, {})[rule] = RowFailures(count, rows)
    return failures


def _judge(
    use_case: DecisionChain, source: str, suite: Suite, raw: Entry, evaluation: Evaluation, now: datetime | None
) -> Verdict:
    refused = [extract for extract in listed_extracts(raw) if extract.problem]
    counts = evaluation.counts.get(raw.partition, RowCounts())
    checked = counts.accepted_rows + counts.quarantined
    lost = sum(extract.refused for extract in refused)
    counts = replace(counts, landed=counts.landed + lost, quarantined=counts.quarantined + lost)
    reasons = [f"{extract.name}: {extract.problem}" for extract in refused]
    has_rows = bool(counts.accepted_rows) or not (refused or counts.quarantined)
    allowed_share = use_case.governance.max_quarantined_share
    quarantined_share = counts.quarantined / max(1, counts.landed)
    if quarantined_share > allowed_share:
        reasons.append(f"{quarantined_share:.0%} of the rows are quarantined; at most {allowed_share:.0%} are allowed")
    personal = personal_names(suite, use_case.sources[source])
    closed = is_closed(use_case, raw.partition, now)
    partition_results, rejections = partition_rule_results(
        suite, raw.partition, evaluation.metrics, evaluation.failing_metrics, closed, personal
    )
    row_failures = evaluation.row_failures.get(raw.partition, {})
    return Verdict(
        source=source,
        partition=raw.partition,
        accepted=has_rows and quarantined_share <= allowed_share and not rejections,
        reasons=reasons + rejections,
        rules=row_rule_results(suite, row_failures, checked, personal) + partition_results,
        closed=closed,
        **asdict(counts),
    )
