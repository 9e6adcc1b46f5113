"""A drafted suite holds what never happened in the extracts: no missing key, no value out of range."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from expectations.rules import Suite
from pipelines.authoring.drafting import draft_suite, empty_suite
from pipelines.authoring.feeds import find_feeds


def draft(folder: Path, text: str) -> dict[str, Any]:
    """Return the drafted suite of one extract."""
    (folder / "orders.csv").write_text(text)
    (feed,) = find_feeds(str(folder))
    suite: dict[str, Any] = yaml.safe_load(draft_suite(feed))
    Suite.model_validate(suite)
    return suite


def test_the_suite_guards_the_key_the_ranges_and_the_number_of_rows(tmp_path: Path) -> None:
    rows = "".join(f"{n},2020-01-{n % 30 + 1:02},{n % 5},{'ab'[n % 2]}\n" for n in range(60))
    suite = draft(tmp_path, "id,day,load,site\n" + rows)
    rules = {(r["type"].removeprefix("expect_column_values_to_"), r["kwargs"].get("column")): r for r in suite["rows"]}
    assert rules["not_be_null", "id"]["severity"] == rules["be_unique", "id"]["severity"] == "critical"
    assert rules["be_between", "load"]["kwargs"] == {"column": "load", "min_value": 0.0, "max_value": 6.0}
    assert rules["be_in_set", "site"]["kwargs"]["value_set"] == ["a", "b"]
    at_least_one, usual = suite["partition"]["rules"]
    assert (at_least_one["severity"], at_least_one["applies"]) == ("critical", "after_close")
    assert usual["kwargs"] == {"column": "rows", "min_value": 1, "max_value": 4}


def test_a_value_that_reads_as_a_blank_is_quoted(tmp_path: Path) -> None:
    suite = draft(tmp_path, "id,state\n" + "".join(f"{n},{'TODO' if n % 2 else 'done'}\n" for n in range(20)))
    (rule,) = [r for r in suite["rows"] if r["type"].endswith("be_in_set")]
    assert set(rule["kwargs"]["value_set"]) == {"TODO", "done"}
    (feed,) = find_feeds(str(tmp_path))
    assert '"TODO"' in draft_suite(feed)


@pytest.mark.parametrize("load", [float("nan"), float("inf"), float("-inf")])
def test_a_range_without_an_end_is_not_drafted(tmp_path: Path, load: float) -> None:
    """A column of a Parquet file may hold such numbers."""
    days = [date(2020, 1, n % 30 + 1) for n in range(60)]
    table = pa.table({"id": range(60), "day": days, "load": [load, *map(float, range(59))]})
    pq.write_table(table, tmp_path / "rows.parquet")
    (feed,) = find_feeds(str(tmp_path))
    suite = yaml.safe_load(draft_suite(feed))
    (rule,) = [rule for rule in suite["rows"] if rule["kwargs"].get("column") == "load"]
    assert rule["type"].endswith("not_be_null")


def test_an_empty_suite_only_needs_one_row() -> None:
    suite = yaml.safe_load(empty_suite("features"))
    assert suite["rows"] == [] and suite["partition"]["rules"][0]["why"] == "there is no unit to decide about"


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("1234567", "1234569"),
        ("1013.2", "1013.9"),
        ("-0.0012345", "-0.0012340"),
        ("900719925474099.01", "900719925474099.99"),
    ],
)
def test_the_range_contains_its_values_wherever_they_lie(tmp_path: Path, low: str, high: str) -> None:
    rows = "".join(f"{n},2020-01-{n % 30 + 1:02},{[low, high][n % 2]}\n" for n in range(60))
    suite = draft(tmp_path, "id,day,load\n" + rows)
    (usual,) = [
        r["kwargs"] for r in suite["rows"] if r["type"].endswith("be_between") and r["kwargs"]["column"] == "load"
    ]
    width = float(high) - float(low)
    assert usual["min_value"] <= float(low) - width / 2 and float(high) + width / 2 <= usual["max_value"]
    assert len(Decimal(repr(usual["max_value"])).normalize().as_tuple().digits) <= 15
