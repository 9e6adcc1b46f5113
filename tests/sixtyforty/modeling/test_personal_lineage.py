"""Whatever a query calculates from a personal column is personal, under any name."""

from __future__ import annotations

import pytest

from sixtyforty.modeling.personal_lineage import find_impersonal_columns

COLUMNS = ["id", "email", "load", "site"]


def shown(*texts: str) -> set[str]:
    """Return the columns named `out` to `out3`, `id` and `load` that may be shown."""
    return find_impersonal_columns(texts, COLUMNS, ["email"]) & {"id", "load", "out", "out2", "out3"}


@pytest.mark.parametrize(
    "sql",
    [
        "select id, upper(email) as out from units",
        "select id, md5(email) as out from units",
        "select id, [email] as out from units",
        "select id, list_transform([u.email], lambda e: e) as out from units u",
        "select id, {'a': email} as out from units",
        "select id, u as out from units u",
        "select id, to_json(units) as out from units",
        "select id, case when email like 'a%' then 1 end as out from units",
        "select id, (select max(email) from units) as out from units",
        "select id, row_number() over (order by email) as out from units",
        "select id, count(email) as out from units group by id",
        "with a as (select id, email as m from units) select id, length(m) as out from a",
        "with a(k, m) as (select id, lower(email) from units) select k as id, m as out from a",
        "with a(k, m, l, s) as (select * from units) select id, m as out from a, units",
        "select id, m as out from (select id, email from units) t(id, m)",
        "select id, m as out from units t(id, m, load, site)",
        "select id, w as out from units, unnest([email]) t(w)",
        "select id, unnest as out from units, unnest([email])",
        "select id, site as out from units union all select id, email from units",
        "select id, site as out from units union all (select 1, site from units union all select id, email from units)",
        "with recursive r(k, m) as (select id, email from units union all select k, m from r) select m as out from r",
        "select * replace (upper(email) as site), site as out from units",
        "select * rename (email as out) from units",
        'select id, upper("EMAIL") as OUT from units',
        "select id, email as first_one, first_one || 'x' as out from units",
        "select id, #2 as out from units",
        "select id, md5(columns('em.*')) as out from units",
        "select id, columns(c -> c like 'em%') as out from units",
        "select id, columns('(e)mail') as 'o\\1t' from units",
        "select id, concat(*columns(*)) as out from units",
        "select u.* as out from units u",
        "select id, * like 'em%' as out from units",
        "select id, out from (unpivot units on email, site into name n value out)",
        "select id, out from (select id, unnest({'out': email}) from units)",
        'select id, out from (select id, unnest(json_transform(to_json(u), \'{"out": "VARCHAR"}\')) from units u)',
        "select id, value as out from units u, json_each(to_json(u))",
    ],
)
def test_what_is_derived_from_a_personal_column_is_not_shown(sql: str) -> None:
    safe = shown(sql)
    assert "out" not in safe
    assert "email" not in find_impersonal_columns([sql], COLUMNS, ["email"])


def test_other_columns_are_shown() -> None:
    sql = """with a as (select id, load * 2 as out, email from units where email is not null)
        select a.id, a.out, u.load, avg(u.load) over (partition by u.site) as out2, lower(a.email) as out3
        from a join units u on u.email = a.email"""
    assert shown(sql) == {"id", "load", "out", "out2"}


def test_the_lineage_crosses_texts() -> None:
    assert shown("select id, md5(email) as code from units", "select id, code || 'x' as out from units") == {
        "id",
        "load",
    }


def test_a_column_without_a_name_and_an_unreadable_query_show_nothing() -> None:
    assert "upper(email)" not in find_impersonal_columns(["select upper(email) from units"], COLUMNS, ["email"])
    for sql in ("select select", "pivot units on email using count(*)"):
        assert find_impersonal_columns([sql], COLUMNS, ["email"]) == set()
