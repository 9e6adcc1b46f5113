"""The extracts of orders are the same each time."""

from __future__ import annotations

from pathlib import Path

from bench.order_extracts import write_orders


def test_each_day_has_its_rows_and_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_orders(tmp_path / folder, 10, 2)
    files = {file.name: file.read_text() for file in (tmp_path / "a").iterdir()}
    assert sorted(files) == ["orders_2024-03-01.csv", "orders_2024-03-02.csv"]
    assert files == {file.name: file.read_text() for file in (tmp_path / "b").iterdir()}
    header, first, *others = files["orders_2024-03-02.csv"].splitlines()
    assert header == "ts,order_id,store,sku,qty,price,pay,returned"
    assert first.startswith("2024-03-02 00:00:00,10,")
    assert len(others) == 9
