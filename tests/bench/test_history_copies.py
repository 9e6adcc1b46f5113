"""Copied days of a long history: their manifests name the copies that they are made from."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bench.history_copies import ROWS_OF_ARCHIVED_DAY, DayTemplate, _archive_extracts, index_random_keys
from sixtyforty.ingest.arrivals import Arrival, read_arrivals, write_arrivals
from sixtyforty.ingest.key_index import KeyIndex
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset with one day, made from the day before, from the day itself and from a reference table."""
    entry = Entry(
        dataset="features",
        partition="2013-04-02",
        file="2013-04-02.0123.parquet",
        rows=3,
        sha256="ab" * 32,
        inputs={
            "validated/weather": {"2013-04-01": "v1", "2013-04-02": "v2"},
            "validated/airports": {SNAPSHOT: "v3"},
        },
    )
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "2013-04-02.json").write_text(json.dumps(entry.manifest))
    (folder / entry.file).write_bytes(b"rows")
    return folder


def test_a_copy_names_the_versions_at_the_same_distances(dataset: Path) -> None:
    versions = {"validated/weather": {"2010-01-31": "w1", "2010-02-01": "w2"}, "validated/airports": {}}
    version = DayTemplate(dataset, "2013-04-02").copy_to(date(2010, 2, 1), versions, "[]")
    content = (dataset / "2010-02-01.json").read_bytes()
    manifest = json.loads(content)
    assert manifest["partition"] == "2010-02-01"
    assert manifest["inputs"]["validated/weather"] == {"2010-01-31": "w1", "2010-02-01": "w2"}
    assert manifest["inputs"]["validated/airports"] == {SNAPSHOT: "v3"}
    assert (dataset / manifest["file"]).read_bytes() == b"rows"
    assert version == digest(content)


def test_the_first_day_of_all_has_no_day_before(dataset: Path) -> None:
    versions = {"validated/weather": {"2010-02-01": "w2"}}
    DayTemplate(dataset, "2013-04-02").copy_to(date(2010, 2, 1), versions, "[]")
    manifest = json.loads((dataset / "2010-02-01.json").read_bytes())
    assert manifest["inputs"]["validated/weather"] == {"2010-02-01": "w2"}


def test_the_lake_reads_a_copy(dataset: Path) -> None:
    version = DayTemplate(dataset, "2013-04-02").copy_to(date(2010, 2, 1), {"validated/weather": {}}, "[]")
    entry = Lake(dataset.parent).entry("features", "2010-02-01")
    assert entry is not None
    assert entry.version == version


def test_archived_extracts_are_no_longer_present(tmp_path: Path) -> None:
    ledger = tmp_path / "weather.json"
    write_arrivals(ledger, [Arrival("weather_2013-01.csv", "cd" * 32, 10, 1, 1, 5, {"2013-01-01": 5})])
    days = [date(2012, 12, 31), date(2012, 12, 30), date(2012, 11, 30)]
    lines = _archive_extracts(ledger, "weather", days)
    archived = [arrival for arrival in read_arrivals(ledger) if not arrival.is_present]
    assert [arrival.name for arrival in archived] == ["weather_2012-11.csv", "weather_2012-12.csv"]
    assert sorted(archived[1].partitions) == ["2012-12-30", "2012-12-31"]
    (line,) = json.loads(lines["2012-12"])
    assert (line["seq"], line["sha256"], line["problem"]) == (archived[1].seq, archived[1].sha256, None)


def test_copied_days_are_in_the_index_of_keys_as_often_as_they_have_rows(tmp_path: Path) -> None:
    index, key = KeyIndex(tmp_path, "types of the key"), (np.array([7], "uint64"), np.array([0], "uint32"))
    index.add([key], {"2013-01-01": ""})
    days = [f"2012-12-{day}" for day in range(10, 32)]
    index_random_keys(tmp_path, days)
    index = KeyIndex(tmp_path, "types of the key")
    assert index.stamps == dict.fromkeys(["2013-01-01", *days], "")
    numbers = np.concatenate([run.read_numbers() for run in index._runs])
    assert np.bincount(numbers).tolist() == [1, *[ROWS_OF_ARCHIVED_DAY] * len(days)]
    assert index.add([key], {"2013-01-01": ""}) == {"2013-01-01"}
