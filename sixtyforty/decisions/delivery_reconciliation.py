"""Reconcile the rows of the delivery table with the decisions in the lake and with people's answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.answered_rows import read_answers, with_answers
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery import has_current_receipt
from sixtyforty.decisions.delivery_table import REVISION_COLUMNS, delivery_table
from sixtyforty.spec.clock import now
from sixtyforty.spec.track import Track
from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.stored_tables import TableStore, portions
from sixtyforty.value.decision_ids import hash_numbers
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

COMPARED = ("decided_at", "action", "decided_by", "reason", "champion_version", *REVISION_COLUMNS)
UNREVISED: dict[str, Any] = {"decided_action": None, "revision": 0, "answered_by": None, "answered_at": None}
IDS_PER_QUERY = 500


def find_delivery_differences(ws: Workspace, track: Track, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield "" for each reconciled partition, and one sentence without full stop for each difference.

    entries: the manifests of the partitions of decisions to reconcile. A partition whose newest decisions weren't
    delivered yet may lack rows.
    """
    import sqlalchemy as sa

    engine = open_engine(ws.database_url)
    target = delivery_table(ws, track, sa.MetaData())
    try:
        if not sa.inspect(engine).has_table(target.name):
            yield from (f"{target.name}: the table is missing" for _ in range(bool(_delivered(ws, track, entries))))
            return
        with engine.connect() as connection:
            columns = {column["name"] for column in sa.inspect(connection).get_columns(target.name)}
            if not columns >= set(REVISION_COLUMNS):
                yield f"{target.name}: the next delivery adds the columns of an early release's table"
                return
            for partition, entry in entries.items():
                yield from _compare_partition(ws, connection, target, track, partition, entry)
                yield ""
    finally:
        engine.dispose()


def find_undecided_rows(ws: Workspace, track: Track, partitions: set[str]) -> Iterator[str]:
    """Yield one sentence, without full stop, for each delivered partition that has no decisions in the lake.

    partitions: all partitions with decisions.
    """
    import sqlalchemy as sa

    engine = open_engine(ws.database_url)
    target = delivery_table(ws, track, sa.MetaData())
    try:
        if sa.inspect(engine).has_table(target.name):
            with engine.connect() as connection:
                delivered = set(connection.scalars(sa.select(target.c.partition).distinct()))
            for partition in sorted(delivered - partitions):
                yield f"{target.name}: {partition} was delivered, but the lake has no decisions of {partition}"
    finally:
        engine.dispose()


def _delivered(ws: Workspace, track: Track, entries: Mapping[str, Entry]) -> list[str]:
    return [partition for partition, entry in entries.items() if has_current_receipt(ws, track, entry)]


def _compare_partition(
    ws: Workspace, connection: sa.Connection, target: sa.Table, track: Track, partition: str, entry: Entry
) -> Iterator[str]:
    import numpy as np
    import pyarrow as pa
    import sqlalchemy as sa

    where = f"{target.name} {partition}"
    is_expired, ids = ws.use_case.is_delivery_expired(partition, now()), [np.empty(0, np.int64)]
    is_delivered = has_current_receipt(ws, track, entry) and not is_expired
    try:
        rows = TableStore(ws.lake.scratch).open(ws.lake.local_file(entry))
        answers = read_answers(ws, track, {partition: rows}).get(partition, {})
        for portion in portions(rows):
            ids.append(hash_numbers(portion["decision_id"].to_pylist()))
            yield from _compare_rows(connection, target, with_answers(portion, answers), is_delivered, where)
    except (FileNotFoundError, pa.ArrowException) as error:
        yield f"{decisions_dataset(track)}/{partition}: the decisions can't be read ({type(error).__name__})"
        return
    query = sa.select(target.c.decision_id).where(target.c.partition == partition)
    for decision_id in connection.scalars(query):
        if not np.isin(hash_numbers([decision_id]), np.concatenate(ids))[0]:
            yield f"{where}: {decision_id} was delivered, but the lake has no such decision"


def _compare_rows(
    connection: sa.Connection, target: sa.Table, decided: pa.Table, is_delivered: bool, where: str
) -> Iterator[str]:
    """Compare decisions with their delivered rows. decided: decisions with the actions in force after answers."""
    import sqlalchemy as sa

    names = [column.name for column in target.columns if column.name in {*decided.column_names, *COMPARED}]
    texts = {name for name in names if isinstance(target.c[name].type, sa.String)}
    expected_rows = decided.select([name for name in names if name in decided.column_names]).to_pylist()
    for start in range(0, len(expected_rows), IDS_PER_QUERY):
        expected = {row["decision_id"]: UNREVISED | row for row in expected_rows[start : start + IDS_PER_QUERY]}
        query = sa.select(*(target.c[name] for name in names)).where(target.c.decision_id.in_(list(expected)))
        for delivered in connection.execute(query).mappings():
            decision_id = delivered["decision_id"]
            due = expected.pop(decision_id)
            changed = [name for name in names if delivered[name] != _as_stored(due[name], name in texts)]
            if changed:
                yield f"{where}: {decision_id} differs from the decision and its answers in {', '.join(changed)}"
        if is_delivered:
            yield from (f"{where}: {decision_id} was delivered, but its row is missing" for decision_id in expected)


def _as_stored(content: object, is_text: bool) -> object:
    return str(content) if is_text and content is not None else content


def find_lost_features(ws: Workspace, entries: Mapping[str, Entry], known: Collection[str]) -> Iterator[str]:
    """Yield one sentence, without full stop, for each features version that decisions name and that the lake lost.

    entries: the manifests of decisions. known: the versions of all manifests, in force or replaced.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for partition, entry in entries.items():
        try:
            column = pq.read_table(ws.lake.local_file(entry), columns=["data_version"])["data_version"]
        except (FileNotFoundError, pa.ArrowException):
            continue  # the verification of the files names this file
        for version in sorted(set(column.unique().to_pylist()) - {None, *known}):
            yield f"{entry.dataset}/{partition} was decided on features {version}, which the lake no longer has"
