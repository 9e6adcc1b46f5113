"""The index names every partition in which a key has occurred, after any number of additions and restarts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest import key_index
from sixtyforty.ingest.key_index import KeyIndex

PARTITIONS = ["2013-03-01", "2013-03-02", "2013-03-03", "2013-03-04"]


def keys(*numbers: int) -> np.ndarray:
    return np.array(numbers, "uint64")


def partitions_with(index: KeyIndex, hashes: np.ndarray) -> set[str]:
    """Return the partitions in which one of these hashes has occurred, without changing the index."""
    return index._names(index._find(np.unique(hashes))[1])


@given(
    additions=st.lists(st.tuples(st.sampled_from(PARTITIONS), st.lists(st.integers(0, 20), max_size=8)), max_size=12)
)
def test_it_knows_each_partition_of_each_key(tmp_path_factory: pytest.TempPathFactory, additions: list) -> None:
    folder = tmp_path_factory.mktemp("index")
    expected: dict[int, set[str]] = {}
    for partition, numbers in additions:
        KeyIndex(folder, "x").add({partition: keys(*numbers)}, {partition: "stamp"})
        for number in numbers:
            expected.setdefault(number, set()).add(partition)
    index = KeyIndex(folder, "x")
    assert {n: partitions_with(index, keys(n)) for n in range(21)} == {n: expected.get(n, set()) for n in range(21)}
    assert partitions_with(index, keys(*range(21))) == set().union(*expected.values())
    assert set(index.stamps) == {partition for partition, _ in additions}


def test_runs_stay_few_and_no_pair_is_stored_twice(tmp_path: Path) -> None:
    for number in range(200):
        day = f"day {number // 4}"  # each partition grows four times
        hashes = keys(*(1000 * (number // 4) + n for n in range(number % 4 * 10 + 10)))
        KeyIndex(tmp_path, "x").add({day: hashes}, {day: str(number)})
    files = list(tmp_path.glob("*.keys.npy"))
    assert len(files) <= 10
    assert sum(len(np.load(file)) for file in files) == 50 * 40
    assert partitions_with(KeyIndex(tmp_path, "x"), keys(17_039, 3_000, 5)) == {"day 17", "day 3", "day 0"}


def test_long_runs_are_not_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "LONGEST_MERGED_RUN", 16)
    for number in range(8):
        KeyIndex(tmp_path, "x").add({"day": keys(*range(number * 8, number * 8 + 8))}, {"day": ""})
    assert max(len(np.load(file)) for file in tmp_path.glob("*.keys.npy")) <= 16
    assert partitions_with(KeyIndex(tmp_path, "x"), keys(63)) == {"day"}


def test_an_index_of_other_keys_is_not_used(tmp_path: Path) -> None:
    assert KeyIndex(tmp_path, "x").add({"day": keys(1)}, {"day": ""}) == set()
    assert KeyIndex(tmp_path, "x").add({"next": keys(1, 2)}, {"next": ""}) == {"day"}
    other = KeyIndex(tmp_path, "y")
    assert (other.stamps, partitions_with(other, keys(1))) == ({}, set())


def test_without_a_folder_it_is_in_memory() -> None:
    index = KeyIndex(None, "x")
    index.add({"day": keys(1, 1, 2), "next": keys(2)}, {"day": "", "next": ""})
    assert partitions_with(index, keys(2)) == {"day", "next"}
    assert partitions_with(index, keys()) == set()


def test_a_process_killed_while_it_stores_the_index_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyIndex(tmp_path, "x").add({"day": keys(*range(9))}, {"day": ""})

    def fail(path: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(key_index, "write_atomic", fail)
    with pytest.raises(KeyboardInterrupt):
        KeyIndex(tmp_path, "x").add({"next": keys(1)}, {"next": ""})
    monkeypatch.undo()
    index = KeyIndex(tmp_path, "x")
    assert (list(index.stamps), partitions_with(index, keys(1))) == (["day"], {"day"})
