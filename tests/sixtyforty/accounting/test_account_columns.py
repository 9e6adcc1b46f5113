"""The accounts of a home, read as columns from the index, are those of the manifests."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.account_columns import read_columns
from sixtyforty.accounting.kpi_ledger import KpiAccount
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.policy_weights import PolicyWeights
from sixtyforty.value.random_choice import DealtAmounts
from sixtyforty.value.unit_groups import DECISIONS, GROUPS

FIGURES: dict[str, Any] = {
    "decisions": 2,
    "model": 1.5,
    "current_process": -1.0,
    "random_choice": 0.25,
    "perfect_foresight": 3.0,
    "acted": 1,
    "differ": 1,
    "fallback": 0,
}
ACCOUNTS = {
    "without optional fields": {},
    "a candidate and a capacity": {"candidates": {"rule": 2.0}, "lost_above": {"10": [1.0, 2.0], "25": [0.5, 0.25]}},
    "counts": {"counts": {"act": 1, "wait": 1}, "paid_for_all": {"act": -4.0, "wait": 0.0}},
    "amounts": {"amounts": DealtAmounts(2.0, 1.0, [(3.0, 2)], [(1.0, 1), (4.0, 1)])},
    "a past experiment": {"weights": {"model": PolicyWeights(4.0, 8.0, 2.0, 1, 9.5)}},
    "recurring units": {"unit_groups": {DECISIONS: [1.0] * GROUPS, "model": [0.5] * GROUPS}},
}


@pytest.mark.parametrize("order", [1, -1])
def test_accounts_of_all_kinds_are_read_from_the_index_unchanged(order: int) -> None:
    accounts = [
        KpiAccount(partition=f"2013-01-0{n}", **(FIGURES | fields))
        for n, fields in enumerate(list(ACCOUNTS.values())[::order], 1)
    ]
    entries = [
        Entry(
            dataset="kpi/replay",
            partition=account.partition,
            file="",
            rows=1,
            sha256="",
            inputs={},
            code="",
            facts=account.to_facts(),
        )
        for account in accounts
    ]
    rows = [{"_partition": entry.partition, **kpi_ledger._index_row(entry)} for entry in entries]
    schema = pa.schema([("_partition", pa.string()), *kpi_ledger.index_schema()])
    table = pa.concat_tables([pa.Table.from_pylist(rows[n : n + 2], schema=schema) for n in range(0, len(rows), 2)])
    for account, day in zip(accounts, read_columns(table, units_recur=True), strict=True):
        groups = account.unit_groups or {}
        assert vars(day) == {name: getattr(account, name) for name in vars(day)} | {"unit_groups": groups}
