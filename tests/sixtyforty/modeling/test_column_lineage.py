"""Each column that a declared query selects leads back to the columns of the sources."""

from __future__ import annotations

import pytest

from sixtyforty.modeling.column_lineage import trace_columns

COLUMNS = {"orders": ["id", "price", "qty"], "shops": ["id", "city"]}
SPENT = [("orders", "price"), ("orders", "qty")]


@pytest.mark.parametrize(
    ("sql", "column", "origins"),
    [
        ("select price from orders", "price", [("orders", "price")]),
        ("select o.Price as p from orders o", "p", [("orders", "price")]),
        ("select sum(price * qty) as spent from orders", "spent", SPENT),
        ("with a as (select price * qty as spent from orders) select max(spent) as most from a", "most", SPENT),
        ("select count(*) as n from orders", "n", []),
        ("select id from orders join shops using (id)", "id", [("orders", "id"), ("shops", "id")]),
        ("select id from orders", "id", [("orders", "id")]),
        ("with recursive a as (select 1 as n union all select n + 1 from a) select n from a", "n", []),
    ],
)
def test_a_column_leads_back_to_the_columns_of_the_sources(
    sql: str, column: str, origins: list[tuple[str, str]]
) -> None:
    assert trace_columns(sql, COLUMNS) == {column: origins}


@pytest.mark.parametrize("sql", ["select from where", "select * from orders", "pivot orders on qty"])
def test_nothing_is_claimed_about_a_column_without_a_name_of_its_own(sql: str) -> None:
    assert trace_columns(sql, COLUMNS) == {}
