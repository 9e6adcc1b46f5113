"""Mutated extracts go from landing to features. Each line has exactly one place, and each value is that of its text.

The test suite sends 200 extracts, `make prove` sends 2,000. `FUZZ_SEED` sets the first seed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.spec.cross_checks import require_consistent
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests.fuzz.extracts import make_extracts
from tests.fuzz.judgement import Line, place_lines, settle
from tests.fuzz.layout import COLUMNS, FIRST, LAST, Extract
from tests.fuzz.reader import read_records
from tests.helpers import DECLARED, day_range, land_extract
from tests.long_proofs import RUN_WHOLE

pytestmark = pytest.mark.e2e
COUNT, SEED = 2000 if RUN_WHOLE else 200, int(os.environ.get("FUZZ_SEED", "1"))
BATCH, ROUNDS = 50, 2  # the extracts of a home, and the times at which they arrive
DAYS = day_range(FIRST, LAST)
FEED = {
    "description": "Fuzzed extracts.",
    "columns": COLUMNS,
    "key": ["id"],
    "partition": "day",
    "known_at": "day::timestamp",
}
SQL = {
    "features": """
        select u._partition, u.id, u.amount, u.ratio, e.amount as event, r.amount as reading from units u
        left join events e on e.id = u.id and e._partition = u._partition
        left join readings r on r.id = u.id and r._partition = u._partition""",
    "outcomes": """
        select u._partition, u.id, e.paid::int as late, e.known_at
        from units u left join events e using (_partition, id)""",
    "current_process": "select _partition, id, 'wait' as action from units",
}
SUITE = Suite.model_validate(
    {
        "description": "A key occurs once.",
        "rows": [
            {
                "type": "expect_column_values_to_be_unique",
                "severity": "critical",
                "kwargs": {"column": "id"},
                "why": "the key occurs twice",
            }
        ],
    }
)


FILES = {"orders": "orders_*.csv*", "events": "events_*.jsonl*", "readings": "readings_*.parquet*"}


@dataclass
class Home:
    """A home, and what an independent reader says about its extracts.

    - extracts: by source and file name, the extract that landed last. lines: its lines in order of arrival.
    - refused: the extracts that must be refused.
    """

    ws: Workspace
    extracts: dict[tuple[str, str], Extract] = field(default_factory=dict)
    lines: dict[tuple[str, str], list[Line]] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)

    def lines_of(self, source: str) -> list[Line]:
        """Return the lines of all readable extracts of a source."""
        return [line for (other, _), lines in self.lines.items() if other == source for line in lines]


def make_home(folder: Path) -> Home:
    """Return a home without extracts."""
    folder.mkdir()
    for stage, text in SQL.items():
        (folder / f"{stage}.sql").write_text(text)
    declared = DECLARED | {
        "timezone": "UTC",
        "partitions": {"start": str(FIRST), "end": str(LAST)},
        "sources": {source: FEED | {"files": glob} for source, glob in FILES.items()},
        "decision": {"unit_source": "orders", "key": ["id"], "decided_at": "day + interval 20 hour"},
        "governance": {"max_quarantined_share": 0.999},
        "replay": {"first_day": str(LAST)},
        "lookback_partitions": 0,
        "outcome_horizon_partitions": 0,
    }
    use_case = require_consistent(UseCase(**declared, folder=folder))
    return Home(Workspace(use_case, folder, f"sqlite:///{folder / 'deliveries.db'}"))


def land(home: Home, extracts: Sequence[Extract]) -> None:
    """Land extracts, and note what an independent reader says about them."""
    for extract in extracts:
        place = (extract.source, extract.name)
        earlier = home.extracts.get(place)
        if earlier and earlier.content == extract.content:
            continue
        land_extract(home.ws.landing, extract.name, extract.content)
        home.extracts.pop(place, None)
        home.extracts[place] = extract


def read_independently(home: Home) -> None:
    """Read all extracts with the independent reader, and say what must become of each line."""
    arrivals = {source: {a.name: a for a in home.ws.landing.known(source)} for source in FILES}
    home.lines, home.refused = {}, set()
    for (source, name), extract in home.extracts.items():
        arrival = arrivals[source][name]
        records = read_records(source, extract.content)
        if records is None:
            home.refused.add((source, name))
        else:
            home.lines[source, name] = place_lines(arrival.id, arrival.seq, name, records)
            if extract.truth is not None:
                assert [record.texts for record in records] == extract.truth, "the independent reader is wrong"
    for source in FILES:
        settle(home.lines_of(source))


def run_stages(home: Home) -> dict[str, dict[str, Verdict]]:
    """Bring all sources from landing to validated. Return the verdicts by source and partition."""
    ws, verdicts = home.ws, {}
    for source in FILES:
        ingest(ws.use_case, source, ws.lake, ws.landing, DAYS, "test")
        verdicts[source] = validate(ws.use_case, source, SUITE, ws.lake, DAYS, None, "test")
    return verdicts


def read_rows(ws: Workspace, dataset: str) -> list[dict[str, Any]]:
    """Return the rows of a dataset, with their partition."""
    return [
        row | {"_partition": partition}
        for partition, entry in ws.lake.entries(dataset).items()
        for row in pq.read_table(ws.lake.local_file(entry)).to_pylist()
    ]


def describe(home: Home, difference: Counter[Any]) -> str:
    """Return the extracts that differ, with their content, so that a failure can be repeated."""
    ids = {key[1] for key in difference}
    texts = [
        f"{extract.name} {extract.mutations}: {extract.content[:3000]!r}"
        for place, extract in home.extracts.items()
        if {line.extract for line in home.lines.get(place, [])} & ids
    ]
    return f"{dict(difference)}\n" + "\n".join(texts[:3])


def assert_places(home: Home, source: str) -> None:
    """Compare the place of each line, and the value of each accepted row, with those of the independent reader."""
    ws, lines = home.ws, home.lines_of(source)
    problems = {a.name: a.problem for a in ws.landing.known(source) if a.problem}
    refused = {name for other, name in home.refused if other == source}
    wrong = {name: (problems.get(name), home.extracts[source, name]) for name in refused ^ problems.keys()}
    assert not wrong, f"refused by one reader only: {wrong}"
    places = {
        f"raw/{source}": lines,
        f"validated/{source}": [line for line in lines if line.status == "row"],
        f"quarantine/{source}": [line for line in lines if line.status == "quarantined"],
    }
    for dataset, expected_lines in places.items():
        expected = Counter((line.partition, line.extract, line.number) for line in expected_lines)
        actual = Counter((row["_partition"], row["_extract"], row["_row"]) for row in read_rows(ws, dataset))
        assert actual == expected, (
            f"{dataset}: more {describe(home, actual - expected)}\nfewer {describe(home, expected - actual)}"
        )
    cells = {(line.extract, line.number): line.cells for line in lines if line.status == "row"}
    for row in read_rows(ws, f"validated/{source}"):
        accepted = {column: row[column] for column in COLUMNS}
        expected_cells = cells[row["_extract"], row["_row"]]
        assert repr(accepted) == repr(expected_cells), (accepted, expected_cells)


def assert_accounts(home: Home, source: str, verdicts: dict[str, Verdict]) -> None:
    """Compare the row accounts of the verdicts with the lines of the extracts."""
    statuses = Counter((line.partition, line.status) for line in home.lines_of(source))
    refused = Counter[str]()
    for arrival in home.ws.landing.known(source):
        if arrival.problem:
            assert arrival.rows >= 1
            refused.update(arrival.partitions)
            refused[min(arrival.partitions)] += max(0, arrival.rows - sum(arrival.partitions.values()))
    for partition, verdict in verdicts.items():
        assert verdict.conserved
        counts = (verdict.accepted_rows, verdict.quarantined, verdict.duplicates, verdict.superseded)
        expected = tuple(statuses[partition, status] for status in ("row", "quarantined", "duplicate", "superseded"))
        assert counts == (expected[0], expected[1] + refused[partition], *expected[2:]), (source, partition)


def assert_features(home: Home) -> None:
    """Compare the features with the accepted rows of all sources."""
    accepted = {
        source: {
            (line.partition, line.cells["id"]): line.cells for line in home.lines_of(source) if line.status == "row"
        }
        for source in FILES
    }
    with FeatureWindow(home.ws.use_case, home.ws.lake, DAYS) as window:
        tables = window.build().tables
    features = {(partition, row["id"]): row for partition, table in tables.items() for row in table.to_pylist()}
    assert features.keys() == accepted["orders"].keys()
    for unit, row in features.items():
        assert (row["amount"], row["ratio"]) == (accepted["orders"][unit]["amount"], accepted["orders"][unit]["ratio"])
        for column, source in (("event", "events"), ("reading", "readings")):
            assert row[column] == accepted[source].get(unit, {}).get("amount")


@pytest.mark.parametrize("seed", range(SEED, SEED + -(-COUNT // BATCH)))
def test_each_line_of_mutated_extracts_has_one_place(tmp_path: Path, seed: int) -> None:
    home = make_home(tmp_path / "home")
    extracts = list(make_extracts(seed, BATCH))
    for start in range(0, BATCH, BATCH // ROUNDS):
        land(home, extracts[start : start + BATCH // ROUNDS])
        verdicts = run_stages(home)
        read_independently(home)
        for source in FILES:
            assert_places(home, source)
            assert_accounts(home, source, verdicts[source])
        assert_features(home)
    assert home.refused
    statuses = {line.status for source in FILES for line in home.lines_of(source)}
    assert statuses == {"row", "quarantined", "duplicate", "superseded"}, "the extracts are too tame to prove anything"
