"""A verification names each of the planted manipulations, and nothing else than their traces."""

from __future__ import annotations

import pytest

from pipelines.demo.drill.manipulations import MANIPULATIONS
from sixtyforty.reports.verification import verify_use_case
from tests.verified_home import copy_verified_home


def test_there_are_twelve_manipulations() -> None:
    assert len(MANIPULATIONS) == 12


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_a_verification_names_the_manipulation(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    ws = copy_verified_home(tmp_path_factory)
    manipulate, trace = MANIPULATIONS[name]
    manipulate(ws)
    differences = verify_use_case(ws).differences
    assert any(trace in difference for difference in differences), differences
