"""Record, for each row of a source, when an extract with this row was first seen.

The dataset `first_seen/<source>` has two columns: `row`, a hash of the row's values, and `seen_at` (UTC), which is null
if the arrival time can't be known. A row that a later extract repeats keeps its first time, so a file that grows during
the day doesn't make its first rows look late.

Only partitions that landed when they were new get a record (see `landings`), so a bulk load of past days costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.landings import Landings
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.partition_stream import write_partitions
from sixtyforty.storage.sql import identifier, identifiers

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PERCENTILES = 101  # a partition's delays are stored as the percentiles 0 to 100
TOLERANCE_SECONDS = 300  # a row seen up to this long after its known_at is not late, because scans take time
LANDINGS_LISTED = 50  # a partition lists at most this many of the hours in which its extracts were first seen
WINDOW_PARTITIONS, WINDOW_DAYS = 30, 7  # arrival times are compared over the longer of these two periods
ExtractTimes = Mapping[str, Mapping[str, datetime | None]]  # UTC arrival time, by partition and extract id


@dataclass(frozen=True)
class ArrivalFacts:
    """The delays of one partition's rows: the time at which a row was first seen minus its `known_at`.

    - rows: the number of rows with a known arrival time. unknown: the number of rows without.
    - late: how many rows were seen more than TOLERANCE_SECONDS after their `known_at`.
    - percentiles: the percentiles 0 to 100 of the delays, in whole seconds; empty without rows.
    - landings: the hours (UTC) in which extracts of the partition were first seen, such as `2026-03-05T07`.
    """

    rows: int
    unknown: int
    late: int
    percentiles: list[int]
    landings: list[str]


def first_seen_dataset(source: str) -> str:
    """Return the name of the dataset that records when the rows of a source were first seen."""
    return f"first_seen/{source}"


def read_arrival_facts(entry: Entry) -> ArrivalFacts:
    """Return the delays of a partition's rows, from the partition's manifest in the dataset `first_seen/<source>`."""
    return ArrivalFacts(**entry.facts["arrivals"])


def record_arrival_times(
    use_case: DecisionChain, source: str, lake: Lake, arrivals: Sequence[Arrival], partitions: Sequence[str]
) -> None:
    """Record when the validated rows of a source's partitions were first seen.

    Partitions whose record is up to date are skipped, and so are partitions that landed long after they had ended. A
    record is outdated if the rows or the declared `known_at` changed.

    arrivals: all arrivals of the source, in order of arrival.
    """
    landings = Landings(use_case, arrivals)
    validated, raw = (lake.entries(f"{stage}/{source}", partitions) for stage in ("validated", "raw"))
    times = {p: _extract_times(landings, raw[p]) for p in validated if p in raw and _is_recent(landings, raw[p])}
    contract = use_case.sources[source]
    records = same_columns(contract, lake.entries(first_seen_dataset(source), times))
    outdated = {
        partition: validated[partition]
        for partition in times
        if partition not in records
        or records[partition].inputs != _inputs(validated[partition])
        or not is_measured_by(records[partition], contract)
    }
    if not outdated:
        return
    with lake.open_session(use_case.timezone) as db:
        create_seen_rows(db, lake, contract, outdated, times, {p: records[p] for p in outdated if p in records})
        facts = _measure_delays(db)

        def write(partition: str, rows: pa.Table | pa.RecordBatchReader) -> Entry:
            partition_facts = asdict(facts.get(partition, ArrivalFacts(0, 0, 0, [], [])))
            return lake.write(
                first_seen_dataset(source),
                partition,
                rows,
                inputs=_inputs(outdated[partition]),
                facts={"arrivals": partition_facts, "columns": contract.columns, "known_at": contract.known_at},
            )

        rows = db.sql("select _partition, row, seen_at from seen_rows order by _partition, row").to_arrow_reader()
        no_rows = rows.schema.remove(0).empty_table()
        for partition in outdated.keys() - write_partitions(rows, "_partition", write).keys():
            write(partition, no_rows)


def is_measured_by(record: Entry, contract: Source) -> bool:
    """Return whether the delays in a `first_seen` manifest were measured against the current `known_at`."""
    return bool(record.facts["known_at"] == contract.known_at)


def newest_records(use_case: DecisionChain, lake: Lake, source: str) -> dict[str, Entry]:
    """Return the manifests of `first_seen/<source>` for the newest partitions of a partitioned source.

    These are the last WINDOW_PARTITIONS partitions; for hourly partitions, those of the last WINDOW_DAYS days.
    """
    dataset = first_seen_dataset(source)
    newest = max(lake.partitions(dataset), default=None)
    if newest is None:
        return {}
    partitions_in_days = 24 * WINDOW_DAYS if use_case.partitions.every == "hour" else 0
    window = use_case.widen([newest], max(WINDOW_PARTITIONS, partitions_in_days) - 1, 0)
    return lake.entries(dataset, window)


def same_columns(contract: Source, records: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the `first_seen` manifests whose row hashes are comparable: they cover the contract's current columns."""
    return {partition: record for partition, record in records.items() if record.facts["columns"] == contract.columns}


def _inputs(validated: Entry) -> dict[str, dict[str, str]]:
    return {validated.dataset: {validated.partition: validated.version}}


def _partition_arrivals(landings: Landings, raw: Entry) -> list[Arrival]:
    arrivals = (landings.arrival(extract.seq) for extract in listed_extracts(raw))
    return [arrival for arrival in arrivals if arrival is not None]


def _is_recent(landings: Landings, raw: Entry) -> bool:
    return any(landings.is_recent(raw.partition, arrival) for arrival in _partition_arrivals(landings, raw))


def _extract_times(landings: Landings, raw: Entry) -> dict[str, datetime | None]:
    times: dict[str, datetime | None] = {}
    for arrival in _partition_arrivals(landings, raw):  # if the same content landed twice, the first landing counts
        if arrival.id not in times:
            times[arrival.id] = landings.known_arrival_time(raw.partition, arrival)
    return times


def create_seen_rows(
    db: duckdb.DuckDBPyConnection,
    lake: Lake,
    contract: Source,
    validated: Mapping[str, Entry],
    extract_times: ExtractTimes,
    records: Mapping[str, Entry],
    shown_key: Sequence[str] = (),
) -> None:
    """Create the table `seen_rows`: the validated rows of some partitions, and when each row was first seen.

    Columns: `_partition`, `row` (the hash), `known_at` and `seen_at` (UTC), and `key`. A row in the earlier record of
    its partition keeps its `seen_at`.

    validated: the manifests of the rows. records: the earlier records, by partition. shown_key: the names of the
    columns whose values `key` contains as text; if there are none, `key` is null.
    """
    key_texts = "".join(f", {identifier(column)}::varchar" for column in shown_key)
    key = f"concat_ws(' '{key_texts})" if shown_key else "null"
    columns, known_at = identifiers(contract.columns), contract.known_at or "null::timestamp"
    db.register("extract_times", _extract_table(extract_times))
    db.execute("create or replace temp table earlier (_partition varchar, row ubigint, seen_at timestamp)")
    if records:
        rows = lake.select_rows(records.values())
        db.execute(f"insert into earlier select _partition, row, seen_at from {rows}")
    db.execute(
        f"""create or replace temp table seen_rows as
        with accepted as (
            select _partition, _extract, ({known_at})::timestamp as _known_at, {key} as _key,
                md5_number_lower(row({columns})::varchar) as _hash
            from {lake.select_rows(validated.values())})
        select a._partition, a._hash as row, a._known_at as known_at, a._key as key,
            if(e.row is null, t.seen_at, e.seen_at) as seen_at
        from accepted a left join extract_times t using (_partition, _extract)
        left join earlier e on e._partition = a._partition and e.row = a._hash"""
    )


def _extract_table(extract_times: ExtractTimes) -> pa.Table:
    import pyarrow as pa

    rows = [
        {"_partition": partition, "_extract": extract, "seen_at": time}
        for partition, times in extract_times.items()
        for extract, time in times.items()
    ]
    types = {"_partition": pa.string(), "_extract": pa.string(), "seen_at": pa.timestamp("us")}
    return pa.Table.from_pylist(rows, schema=pa.schema(types))


def _measure_delays(db: duckdb.DuckDBPyConnection) -> dict[str, ArrivalFacts]:
    """Return the delays of the rows in the table `seen_rows`, by partition."""
    shares = ", ".join(str(number / (PERCENTILES - 1)) for number in range(PERCENTILES))
    rows = db.execute(
        f"""with delays as (
            select _partition, seen_at,
                if(isfinite(known_at), epoch(seen_at - known_at)::bigint, null) as delay from seen_rows)
        select _partition, count(delay), count(*) filter (seen_at is null),
            count(*) filter (delay > {TOLERANCE_SECONDS}), quantile_disc(delay, [{shares}]),
            list(distinct strftime(seen_at, '%Y-%m-%dT%H')) filter (seen_at is not null)
        from delays group by _partition"""
    ).fetchall()
    return {
        partition: ArrivalFacts(count, unknown, late, percentiles or [], sorted(landings or [])[:LANDINGS_LISTED])
        for partition, count, unknown, late, percentiles, landings in rows
    }
