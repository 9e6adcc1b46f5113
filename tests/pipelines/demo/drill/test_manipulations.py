"""A verification names each of the planted manipulations, in the copy in which it was planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.demo.drill.manipulations import MANIPULATIONS, check_manipulations
from sixtyforty.reports.verification import verify_use_case
from tests.verified_home import copy_verified_home


def test_a_verification_names_each_of_the_twelve_manipulations(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    ws = copy_verified_home(tmp_path_factory)
    lines = check_manipulations(ws, tmp_path / "copies")
    assert [line.subject for line in lines] == [f"manipulation: {name}" for name in MANIPULATIONS]
    assert [line for line in lines if not line.ok] == []
    assert len(lines) == 12
    assert verify_use_case(ws).differences == [], "the home itself is unchanged"
