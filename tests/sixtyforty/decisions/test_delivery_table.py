"""The delivery table holds each decision once, whatever is delivered again."""

from __future__ import annotations

import pyarrow as pa
import pytest
import sqlalchemy as sa

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decision_schema, read_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.delivery_table import delivery_table, delivery_table_name, insert_decisions, read_delivery
from sixtyforty.spec.cross_checks import DECISION_COLUMNS
from sixtyforty.storage.databases import DatabaseError
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY
from tests.small_portions import use_small_portions


@pytest.fixture(autouse=True, params=[False, True], ids=["undivided", "in portions"])
def portions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ready: Workspace) -> None:
    """Run each test twice: with partitions in memory, and with portions of a few decisions."""
    if request.param:
        use_small_portions(monkeypatch)


def test_each_track_has_a_table_of_its_own() -> None:
    assert delivery_table_name("calls_in_time", "live") == "calls_in_time_decisions"
    assert delivery_table_name("calls_in_time", "replay") == "calls_in_time_replay_decisions"


def test_no_column_of_the_tables_with_decisions_can_be_a_key(ready: Workspace) -> None:
    """Two columns of one name once ended a run in a traceback."""
    key = ready.use_case.decision.key
    delivered = delivery_table(ready, "replay", sa.MetaData()).columns.keys()
    stored = decision_schema(ready, pa.schema([(column, pa.string()) for column in key])).names
    assert {*delivered, *stored} - {*key} == DECISION_COLUMNS


def test_a_decision_is_delivered_once(ready: Workspace) -> None:
    entries = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    first = deliver_decisions(ready, entries, "replay")[KEY]
    second = deliver_decisions(ready, entries, "replay")[KEY]
    assert (first.new, second.new, second.rows) == (20, 0, 20)
    engine = sa.create_engine(ready.database_url)
    with engine.connect() as connection:
        count = connection.execute(sa.text(f"select count(*), count(distinct decision_id) from {first.table}")).one()
    assert tuple(count) == (20, 20)


def test_a_delivered_decision_can_be_read(ready: Workspace) -> None:
    decision_id = "replay-2013-03-13-000000000000"
    assert read_delivery(ready, "replay", decision_id) is None  # there is no table yet
    entries = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    deliver_decisions(ready, entries, "replay")
    decision = read_decisions(ready, KEY, "replay")[0]
    delivered = read_delivery(ready, "replay", decision.decision_id)
    assert delivered and delivered.action == decision.action
    assert read_delivery(ready, "live", decision.decision_id) is None
    assert read_delivery(ready, "replay", decision_id) is None


def test_an_unreachable_database_is_one_error_for_writers_and_readers(ready: Workspace) -> None:
    ws = Workspace(ready.use_case, ready.home, "postgresql+psycopg2://ann:geheim@127.0.0.1:1/x")
    with pytest.raises(DatabaseError, match="Connection refused"):
        insert_decisions(ws, "replay", {})
    with pytest.raises(DatabaseError, match="Connection refused"):
        read_delivery(ws, "replay", "1")
