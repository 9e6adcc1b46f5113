"""Lines are sorted in portions, as if all of them were in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import sorted_lines
from sixtyforty.ingest.sorted_lines import sort_lines


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=3), max_size=30), portion=st.integers(1, 12))
def test_portions_are_merged_in_order(tmp_path: Path, lines: list[bytes], portion: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_lines, "LINES_PER_READ", 2)
        assert list(sort_lines(lines, portion, tmp_path)) == sorted(lines)
    assert list(tmp_path.iterdir()) == []
