"""The templates are rendered from the profile: dates, lookback and the units of the decision."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from pipelines.authoring.feeds import find_feeds
from pipelines.authoring.rendering import render_files


def render(folder: Path, days: int, step: int = 1) -> dict[str, str]:
    """Return the rendered files of an extract with one row every `step` days, up to today."""
    first = date.today() - timedelta(days=(days - 1) * step)
    rows = "".join(f"{first + timedelta(days=n * step)},{n}\n" for n in range(days))
    (folder / "orders.csv").write_text("day,load\n" + rows)
    return render_files("late_orders", find_feeds(str(folder)))


@pytest.mark.parametrize(("step", "every", "lookback"), [(1, "day", 28), (7, "week", 12), (30, "month", 12)])
def test_the_partitions_follow_the_rows(step: int, every: str, lookback: int, tmp_path: Path) -> None:
    declared = yaml.safe_load(render(tmp_path, 60, step)["defs.yaml"])["attributes"]
    assert declared["partitions"]["every"] == every
    assert "end" not in declared["partitions"], "the extracts are recent, so more will come"
    assert declared["lookback_partitions"] == lookback


@pytest.mark.parametrize(("days", "step"), [(1, 1), (5, 1), (28, 1), (90, 1), (12, 7), (30, 30)])
def test_the_replay_starts_within_the_history(days: int, step: int, tmp_path: Path) -> None:
    declared = yaml.safe_load(render(tmp_path, days, step)["defs.yaml"])["attributes"]
    assert declared["partitions"]["start"] <= declared["replay"]["first_day"] <= date.today()


@pytest.mark.parametrize(
    ("step", "known_at"),
    [(1, "utc(day + 1)"), (7, "utc(day + interval 1 week)"), (30, "utc(day + interval 1 month)")],
)
def test_a_row_of_a_period_is_known_after_the_period(step: int, known_at: str, tmp_path: Path) -> None:
    """Otherwise the sales of a month would count as known on the second day of the month."""
    declared = yaml.safe_load(render(tmp_path, 60, step)["defs.yaml"])["attributes"]
    assert declared["sources"]["orders"]["known_at"] == known_at


def test_units_sql_is_written_only_if_each_partition_is_a_unit(tmp_path: Path) -> None:
    assert "units.sql" in render(tmp_path, 60)
    assert "units.sql" not in render_files("late_orders", [])


def test_the_readme_shows_the_profile(tmp_path: Path) -> None:
    readme = render(tmp_path, 60)["README.md"]
    assert "- Rows: 60" in readme and "| load | BIGINT | 0 | 60 | 0 | 59 |" in readme


@pytest.mark.parametrize(
    ("cells", "null_text"), [(["DE", "NA"], "NA"), (["DE", "-"], "-"), (["DE", ""], None), (["DE", "AT"], None)]
)
def test_a_text_for_missing_values_is_marked_if_it_occurs(cells: list[str], null_text: str | None, tmp_path: Path):
    """Without the mark, nobody would see that the code of Namibia, NA, counts as missing."""
    (tmp_path / "orders.csv").write_text("id,country\n" + "".join(f"{n},{cells[n % 2]}\n" for n in range(20)))
    draft = render_files("late_orders", find_feeds(str(tmp_path)))["defs.yaml"]
    lines = [line for line in draft.splitlines() if "null_text" in line]
    assert [yaml.safe_load(line)["null_text"] for line in lines] == ([null_text] if null_text else [])
    assert all("# CHECK: this text counts as missing, in every column" in line for line in lines)


@pytest.mark.parametrize(("form", "is_ambiguous"), [("{},{:03}", True), ("{}'{:03}", False)])
def test_numbers_that_may_have_a_decimal_comma_are_marked_with_both_readings(
    form: str, is_ambiguous: bool, tmp_path: Path
) -> None:
    rows = "".join(f"{n};{form.format(n, n)}\n" for n in range(1, 30))
    (tmp_path / "orders.csv").write_text("id;load\n" + rows)
    draft = render_files("late_orders", find_feeds(str(tmp_path)))["defs.yaml"]
    (line,) = [line for line in draft.splitlines() if "thousands" in line]
    assert line.endswith('1,234 is 1234. If it is 1.234, declare `decimal: ","` instead') == is_ambiguous
    assert "# CHECK: between groups of three digits" in line
    yaml.safe_load(draft)


def test_a_reference_of_two_columns_becomes_labels(tmp_path: Path) -> None:
    (tmp_path / "shops.csv").write_text("shop,name\nN,North\nS,South\n")
    (tmp_path / "sizes.csv").write_text("size,label\n1,small\n")
    rows = "".join(f"2024-03-{n + 1:02},{n},{'NS'[n % 2]},{n % 3}\n" for n in range(28))
    (tmp_path / "orders.csv").write_text("day,id,shop,load\n" + rows)
    declared = yaml.safe_load(render_files("late_orders", find_feeds(str(tmp_path)))["defs.yaml"])["attributes"]
    assert declared["labels"] == {"shop": {"source": "shops", "text": "name"}}
