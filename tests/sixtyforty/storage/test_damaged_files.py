"""A query that fails because of a file of the lake names this file, and not the declared SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from sixtyforty.storage.damaged_files import DamagedFileError, refuse_damaged_files
from sixtyforty.storage.lake import Lake


@pytest.mark.parametrize(("content", "problem"), [(None, "is missing"), (b"cut", "is damaged")])
def test_the_error_names_the_file_and_the_cure(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """Once, a damaged file read as: correct the declared SQL."""
    lake = Lake(tmp_path)
    entry = lake.write("validated/calls", "2013-03-01", pa.table({"x": [1]}))
    path = tmp_path / "validated" / "calls" / entry.file
    path.unlink()
    if content:
        path.write_bytes(content)
    with pytest.raises(duckdb.Error) as error, lake.open_session("UTC") as session:
        session.execute(f"select * from read_parquet('{path}')")
    with pytest.raises(DamagedFileError, match=f"{entry.file} {problem}.* Put it back from a backup"):
        refuse_damaged_files(str(error.value))


def test_other_errors_name_no_file(tmp_path: Path) -> None:
    refuse_damaged_files("Conversion Error: Could not convert string 'ada@example.org' to INT32")
    entry = Lake(tmp_path).write("calls", "2013-03-01", pa.table({"x": [1]}))
    refuse_damaged_files(f"IO Error: '{tmp_path}/calls/{entry.file}'")
