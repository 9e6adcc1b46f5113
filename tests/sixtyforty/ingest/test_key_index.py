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


def add(index: KeyIndex, hashes: dict[str, np.ndarray], stamp: str = "", chunk: int = 5) -> set[str]:
    """Add the distinct hashes of some partitions to the index, in small chunks, all with one stamp."""
    numbers = index.number(hashes)
    pairs = sorted({(int(key), numbers[partition]) for partition, values in hashes.items() for key in values})
    chunks = [pairs[start : start + chunk] for start in range(0, len(pairs), chunk)]
    arrays = ((keys(*(h for h, _ in part)), np.array([n for _, n in part], "uint32")) for part in chunks)
    return index.add(arrays, dict.fromkeys(hashes, stamp))


def partitions_with(index: KeyIndex, hashes: np.ndarray) -> set[str]:
    """Return the partitions in which one of these hashes has occurred, without changing the index."""
    return {list(index.stamps)[number] for number in index._find(np.unique(hashes))[1]}


@given(
    additions=st.lists(st.tuples(st.sampled_from(PARTITIONS), st.lists(st.integers(0, 20), max_size=8)), max_size=12)
)
def test_it_knows_each_partition_of_each_key(tmp_path_factory: pytest.TempPathFactory, additions: list) -> None:
    folder = tmp_path_factory.mktemp("index")
    expected: dict[int, set[str]] = {}
    for partition, numbers in additions:
        add(KeyIndex(folder, "x"), {partition: keys(*numbers)}, "stamp")
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
        add(KeyIndex(tmp_path, "x"), {day: hashes}, str(number))
    files = list(tmp_path.glob("*.keys.npy"))
    assert len(files) <= 10
    assert sum(len(np.load(file)) for file in files) == 50 * 40
    assert partitions_with(KeyIndex(tmp_path, "x"), keys(17_039, 3_000, 5)) == {"day 17", "day 3", "day 0"}


def test_no_run_is_much_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "LONGEST_RUN", 16)
    for number in range(8):
        add(KeyIndex(tmp_path, "x"), {"day": keys(*range(number * 8, number * 8 + 8))})
    add(KeyIndex(tmp_path, "x"), {"next": keys(*range(40, 140))})
    assert max(len(np.load(file)) for file in tmp_path.glob("*.keys.npy")) <= 16 + 4
    index = KeyIndex(tmp_path, "x")
    assert [partitions_with(index, keys(n)) for n in (39, 63, 64)] == [{"day"}, {"day", "next"}, {"next"}]


def test_an_index_of_other_keys_is_not_used(tmp_path: Path) -> None:
    assert add(KeyIndex(tmp_path, "x"), {"day": keys(1)}) == set()
    assert add(KeyIndex(tmp_path, "x"), {"next": keys(1, 2)}) == {"day"}
    other = KeyIndex(tmp_path, "y")
    assert (other.stamps, partitions_with(other, keys(1))) == ({}, set())


def test_a_process_killed_while_it_stores_the_index_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(KeyIndex(tmp_path, "x"), {"day": keys(*range(9))})

    def fail(path: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(key_index, "write_atomic", fail)
    with pytest.raises(KeyboardInterrupt):
        add(KeyIndex(tmp_path, "x"), {"next": keys(1)})
    monkeypatch.undo()
    index = KeyIndex(tmp_path, "x")
    assert (list(index.stamps), partitions_with(index, keys(1))) == (["day"], {"day"})
