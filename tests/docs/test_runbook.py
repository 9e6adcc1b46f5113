"""What the runbook says about databases works: its SQL, and its address with several hosts."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from pipelines.settings import ROOT
from sixtyforty.storage.databases import open_engine
from tests.postgres import Postgres
from tests.verified_home import DAYS, copy_verified_home

RUNBOOK = (ROOT / "docs" / "how-to" / "runbook.md").read_text()


def test_the_query_about_fallback_names_the_reasons_of_an_hour(tmp_path_factory: pytest.TempPathFactory) -> None:
    ws = copy_verified_home(tmp_path_factory)
    (query,) = re.findall(r"^```sql\n(.*?)^```$", RUNBOOK, re.M | re.S)
    query = query.replace("USE_CASE", ws.use_case.name)
    first, last = re.findall(r"'(2024-05-01 \d\d:00)'", query)
    query = query.replace(first, f"{DAYS[0]} 12:00").replace(last, f"{DAYS[0]} 13:00")
    with open_engine(ws.database_url).connect() as connection:
        rows = connection.execute(sa.text(query)).mappings().all()
    assert [set(row) for row in rows] == [{"decided_at", "decided_by", "reason", "decisions"}] * len(rows)
    assert rows and all(row["reason"] for row in rows)


def test_an_address_may_name_several_hosts(postgres: Postgres) -> None:
    (address,) = re.findall(r"^SIXTYFORTY_DATABASE_URL=(.*host=db1,db2.*)$", RUNBOOK, re.M)
    url = sa.engine.make_url(postgres.database())
    hosts = f"/nowhere,{url.query['host']}"  # the sockets of two servers, of which the first doesn't run
    address = address.replace("sixtyforty@/sixtyforty", f"{url.username}:{url.password}@/{url.database}")
    with open_engine(address.replace("db1,db2", hosts)).connect() as connection:
        assert connection.scalar(sa.text("select 1")) == 1
