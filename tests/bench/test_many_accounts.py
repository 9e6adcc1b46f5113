"""Accounts for many use cases: the newest days of a built home, under the name of each copy."""

from __future__ import annotations

from pathlib import Path

from bench.many_accounts import DATASETS, DAYS, add_accounts
from bench.use_case import USE_CASE


def write(file: Path, text: str = "{}") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_each_use_case_gets_the_newest_days_and_the_ledgers(tmp_path: Path) -> None:
    built, copy = tmp_path / "built", tmp_path / "copy"
    lake = built / "data" / "lake" / USE_CASE
    write(built / "data" / "home_format.json")
    write(built / "data" / "models" / USE_CASE / "champion.jsonl")
    write(lake / "declarations" / "cafe.json")
    for dataset in (*DATASETS, "validated/weather"):
        for day in range(1, DAYS + 3):
            write(lake / dataset / f"2013-04-{day:02}.json")
            write(lake / dataset / f"2013-04-{day:02}.beef.parquet")
    declaration = copy / "pipelines" / "use_cases" / "copied" / "defs.yaml"
    write(declaration, "attributes:\n  name: copied\n")
    (copy / "home" / "data").mkdir(parents=True)

    add_accounts(built, copy)

    assert f"  name: copied\n  former_names: [{USE_CASE}]\n" in declaration.read_text()
    data = copy / "home" / "data"
    assert (data / "models" / "copied" / "champion.jsonl").is_file()
    for dataset in (*DATASETS, "validated/weather"):
        days = sorted({file.name[:10] for file in (data / "lake" / "copied" / dataset).iterdir()})
        assert (days[0], len(days)) == ("2013-04-03", DAYS)
