"""The lister names constants that may express knowledge about outcomes, and leaves out the structure of a query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.authoring.catalog import FOLDER
from sixtyforty.modeling.sql_constants import find_constants, identity_of
from tests import helpers, year_of_change

KEY = ("carrier", "flight")
DOCS = Path(__file__).parents[3] / "docs"


def contents(sql: str, key: tuple[str, ...] = KEY) -> list[Any]:
    return [constant.content for constant in find_constants(sql, key)]


@pytest.mark.parametrize(
    ("sql", "listed"),
    [
        ("select day = date '2013-02-08' from units", "2013-02-08"),
        ("select day in ('2013-02-08') from units", "2013-02-08"),
        ("select make_date(2013, 2, 8) from units", "2013-02-08"),
        ("select x::timestamp > '2013-02-08 10:00' from units", "2013-02-08 10:00"),
        ("select strptime('8 Feb 2013', '%d %b %Y')", "strptime(8 Feb 2013, %d %b %Y)"),
        ("select carrier = 'UA' from units", "UA"),
        ("select upper(u.carrier) <> 'UA' from units u", "UA"),
        ("select case carrier when 'UA' then 'big' end from units", "UA"),
        ("select carrier like 'U%' from units", "U%"),
        ("select carrier in ('UA', 'AA') from units", ["UA", "AA"]),
        ("select list_contains(['UA', 'AA'], carrier) from units", ["UA", "AA"]),
        ("select carrier in (select unnest(['UA', 'AA'])) from units", ["UA", "AA"]),
        ("select carrier in (values ('UA'), ('AA')) from units", ["UA", "AA"]),
        ("select carrier = any(['UA', 'AA']) from units", ["UA", "AA"]),
        ("select carrier in (select 'UA') from units", ["UA"]),
        ("select 1 from units join (values ('UA'), ('AA')) v(carrier) using (carrier)", ["UA", "AA"]),
        ("with l(c) as (values (17), (42)) select 1 from units join l on l.c = flight", [17, 42]),
        ("select 1 from units, unnest([17, 42]) v(flight)", [17, 42]),
        ("select (carrier, flight) in (('UA', 17), ('AA', 3)) from units", [["UA", 17], ["AA", 3]]),
        ("select c = 'UA' from (select carrier as c from units)", "UA"),
        ("select _partition = '2013-02' from units", "2013-02"),
        ("select month(decided_at) = 2 from units", 2),
        ("select load * 0.2317 from units", 0.2317),
        ("select load * -(2317 / 10000) from units", -0.2317),
        ("select case site when 'a' then 2 when 'b' then 3 else 0 end from units", {"a": 2, "b": 3, "else": 0}),
        ("select if(site = 'a', 2, if(site in ('b', 'c'), 3, 1))", {"a": 2, "b": 3, "c": 3, "else": 1}),
        ("select case when a = 1 and b = 2 then 3 when a = 4 or a = 5 then 6 end", {"1, 2": 3, 4: 6, 5: 6}),
        ("select 1 from t join (values ('a', 2), ('b', 3)) v(site, n) using (site)", {"a": 2, "b": 3}),
        ("select 'a' as site, 2 as n union all select 'b', 3", {"a": 2, "b": 3}),
        ("select 1 from (values ('a', 2, 3), ('b', 4, 5)) v", [["a", 2, 3], ["b", 4, 5]]),
        ("select map {'a': 2, 'b': 3}[site] from t", {"a": 2, "b": 3}),
        ("select [5, 2][month] from t", {1: 5, 2: 2}),
        ("select list_position(['a', 'b'], site) from t", {"a": 1, "b": 2}),
    ],
)
def test_a_constant_that_can_hold_knowledge_is_listed(sql: str, listed: Any) -> None:
    assert contents(sql) == [listed]
    assert identity_of(yaml.safe_load(find_constants(sql, KEY)[0].text)) == identity_of(listed)


@pytest.mark.parametrize(
    "structure",
    [
        "known_at - interval 3 hour",
        "to_hours(3)",
        "date_trunc('hour', decided_at)",
        "avg(late) over (order by day range between interval 28 day preceding and interval 1 day preceding)",
        "late >= 30 and load > 0.25 and load < 1e-9",
        "case when load < 0.3 then 1 when load < 0.7 then 2 else 3 end",
        "case when site = 'north' then 1 else 0 end",
        "coalesce(load, 0)",
        "weeks[1:4], weeks[2]",
        "(site = 'north')::integer",
        "hour(decided_at) = 7 or dayofweek(decided_at) in (0, 6) or extract(hour from starts_at) = 5",
        "hash(carrier) % 10 = 3 or flight % 2 = 1",
        "date_diff('day', decided_at, starts_at) = 1",
        "quantile_cont(load, 0.975)",
        "load * 0.125",
        "strftime(day, '%Y-%m-%d')",
        "day > '-infinity'::timestamp",
        "carrier = site",
        "'it''s 2013-02-08'",
        "1 -- 0.2317 and date '2013-02-08'",
    ],
)
def test_the_structure_of_a_query_is_not_listed(structure: str) -> None:
    assert contents(f"select {structure}\nfrom units, (values (1), (2), (3), (4)) v(k) where k <= 3") == []


def test_a_constant_is_named_by_its_first_line_and_without_its_place_in_a_list() -> None:
    sql = (
        "select 'é' as x,\n  carrier in ('UA', 'AA'),\n  carrier in ('AA', 'UA') /* 2013-02-08 */,\n  date '2013-02-08'"
    )
    constants = find_constants(f"{sql}\nfrom units;", KEY)
    assert [(constant.line, constant.text) for constant in constants] == [(2, "[UA, AA]"), (4, "'2013-02-08'")]


def test_numbers_of_a_lookup_belong_to_their_inputs() -> None:
    identities = {
        find_constants(f"select {sql} from t", KEY)[0].identity
        for sql in (
            "case site when 'a' then 2 when 'b' then 3 end",
            "case site when 'b' then 3 when 'a' then 2 end",
            "case site when 'a' then 3 when 'b' then 2 end",
        )
    }
    assert len(identities) == 2


def test_dates_and_rates_of_a_query_that_is_not_serialized_are_listed() -> None:
    sql = "select *, 0.2317 as rate from (pivot t on x using sum(y))\nwhere day = '2013-02-08' and n > 30 -- 0.4711"
    assert [(constant.content, constant.line) for constant in find_constants(sql, KEY)] == [
        (0.2317, 1),
        ("2013-02-08", 2),
    ]


def test_sql_that_cannot_run_has_no_constants() -> None:
    assert contents("select date '2013-02-08' from from units") == []


LITERAL = st.sampled_from(["date '2013-02-08'", "0.2317", "carrier = 'UA'", "carrier in ('UA', 'AA')"])
SPACE = st.sampled_from([" ", "\n", "\t ", " /* date '2019-01-01' */ ", " -- carrier = 'B6'\n"])


@given(st.lists(LITERAL, min_size=1, max_size=5), st.data())
def test_formatting_and_comments_do_not_matter(literals: list[str], data: st.DataObject) -> None:
    written = f"select {', '.join(literals)} from units"
    spaced = "".join(data.draw(SPACE) if part == " " else part for part in re.split(r"( )", written))
    before, after = ({c.identity for c in find_constants(sql, KEY)} for sql in (written, spaced))
    assert before == after and len(before) == len(set(literals))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_text_that_is_compared_with_a_key_keeps_its_content(text: str) -> None:
    (constant,) = find_constants(f"select carrier = '{text.replace(chr(39), chr(39) * 2)}' from units", KEY)
    assert identity_of(constant.content) == identity_of(text)
    assert identity_of(yaml.safe_load(constant.text)) == identity_of(constant.content)


@given(st.decimals(min_value=-1000, max_value=1000, places=4, allow_nan=False))
def test_a_number_is_listed_unless_it_is_round(number: Any) -> None:
    decimals = f"{number:f}".partition(".")[2].strip("0")
    is_round = len(decimals) <= 2 or number * 8 == int(number * 8)
    assert contents(f"select load * {number:f} from units") == ([] if is_round else [float(number)])


def declared_sql() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return each features.sql of the project, of its tests and of its docs, with the key."""
    texts = {"test": (helpers.SQL["features"], ("id",)), "year": (year_of_change.FEATURES, ("id",))}
    for folder in FOLDER.glob("*/defs.yaml"):
        key = yaml.safe_load(folder.read_text())["attributes"]["decision"]["key"]
        texts[folder.parent.name] = ((folder.parent / "features.sql").read_text(), tuple(key))
    blocks = re.findall(r"```sql\n(.*?)```", (DOCS / "get-started" / "tutorial.md").read_text(), re.S)
    return texts | {
        f"tutorial {number}": (block, ("day",))
        for number, block in enumerate(blocks)
        if "features" in block or "weekday" in block
    }


@pytest.mark.parametrize(
    "sql",
    [
        "select * from t tablesample 10%",
        "select * exclude (a) replace (b + 1 as b) from t",
        "select list_filter(l, lambda x: x = 2), [x for x in l if x > 1] from t",
        "select * from t asof join u on t.a = u.a and t.b >= u.b",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select n from r",
        "select sum(x) filter (where site = 'a') over (partition by a) from t qualify row_number() over () = 1",
        "select map(), map([], []), list_position([], x), list_extract([1], 2), make_date(), date_part()",
        "select a is null, not a, exists(select 1 from t), a = all(select 1)",
        "unpivot t on a, b into name n value v",
        "pivot t on x using sum(y)",
        "summarize t",
        "-- nothing",
        "",
    ],
)
def test_no_form_of_sql_stops_the_lister(sql: str) -> None:
    assert contents(sql) == []


@pytest.mark.parametrize("name", declared_sql())
def test_the_projects_own_features_raise_no_alarm(name: str) -> None:
    assert find_constants(*declared_sql()[name]) == ()
