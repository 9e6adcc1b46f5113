"""Odd extracts go through `sixtyforty new` and `run`. The sums of what is validated equal those of the files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow.parquet as pq
import pytest

from expectations import suites
from pipelines.authoring import catalog, loader, scaffold
from pipelines.cli.app import main
from sixtyforty.workspace import Workspace
from tests.homes import use_home
from tests.odd_feeds import FEEDS, FIRST, LAST, OddFeed, Row

NAME = "odd_extracts"


@pytest.fixture(scope="module")
def feeds() -> dict[str, OddFeed]:
    """Return all feeds."""
    return {name: make_feed() for name, make_feed in FEEDS.items()}


@pytest.fixture(scope="module")
def ws(feeds: dict[str, OddFeed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Draft a use case from all feeds, correct the draft, and run its sources."""
    root = tmp_path_factory.mktemp("odd")
    folder, rules = root / "project" / "pipelines" / "use_cases", root / "project" / "rules"
    folder.mkdir(parents=True)
    (root / "in").mkdir()
    for feed in feeds.values():
        for name, content in feed.files.items():
            (root / "in" / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        settings = use_home(patch, root / "home")
        patch.setattr(loader, "FOLDER", folder)
        patch.setattr(catalog, "FOLDER", folder)
        patch.setattr(suites, "HERE", rules)
        patch.setattr(scaffold, "create_use_case", partial(scaffold.create_use_case, folder=folder, rules=rules))
        assert main(["new", NAME, "--from", str(root / "in")]) == 0
        declaration = folder / NAME / "defs.yaml"
        text = declaration.read_text()
        for feed in feeds.values():
            for drafted, corrected in feed.corrections.items():
                assert drafted in text, f"{feed.source}: {drafted}"
                text = text.replace(drafted, corrected)
        declaration.write_text(text)
        stages = ",".join(f"{stage}/{feed.source}" for feed in feeds.values() for stage in ("raw", "validated"))
        assert main(["run", NAME, "--from", f"{FIRST}", "--to", f"{LAST}", "--select", stages]) == 0
        use_case = loader.load_declaration(folder / NAME, rules)
        yield Workspace(use_case, settings.home, settings.database_url)


def read_validated(ws: Workspace, source: str) -> list[Row]:
    """Return the validated rows of a source, without lineage. JSON is parsed, and other values are comparable."""
    rows = []
    for partition, entry in ws.lake.entries(f"validated/{source}").items():
        for row in pq.read_table(ws.lake.local_file(entry)).to_pylist():
            plain = {name: comparable(cell) for name, cell in row.items() if name not in ("_extract", "_row")}
            rows.append(plain | {"_partition": partition})
    return rows


def comparable(cell: Any) -> Any:
    """Return a number as Decimal, a time as text, nested JSON as what it holds, and another value as it is."""
    match cell:
        case bool() | None | Decimal():
            return cell
        case int() | float():
            return Decimal(repr(cell))
        case date() | datetime():
            return str(cell)
        case str() if cell.startswith(("{", "[")):
            return json.loads(cell)
    return cell


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the sum of each column of numbers, and the number of rows with each other value."""
    summary: dict[str, Any] = {}
    for name in rows[0]:
        cells = [row[name] for row in rows]
        is_numeric = all(isinstance(cell, Decimal) for cell in cells)
        summary[name] = sum(cells) if is_numeric else Counter(json.dumps(cell, default=str) for cell in cells)
    return summary


@pytest.mark.e2e
@pytest.mark.parametrize("name", FEEDS)
def test_the_sums_of_validated_rows_equal_those_of_the_file(
    name: str, feeds: dict[str, OddFeed], ws: Workspace
) -> None:
    feed = feeds[name]
    columns = ws.use_case.sources[feed.source].columns
    assert {column: columns[column] for column in feed.types} == feed.types
    validated = summarize(read_validated(ws, feed.source))
    expected = summarize(feed.rows)
    assert validated.keys() == expected.keys()
    for column, total in expected.items():
        assert validated[column] == total, column
    assert not ws.lake.entries(f"quarantine/{feed.source}")
