"""A seeded part of the drill of faults: each planted fault is reported within two looks, and nothing is lost.

`make drill-all` plants all faults in a home with a champion. Here the home has one day of extracts and no champion.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.demo.fault_drill.base_home import build_base_home
from pipelines.demo.fault_drill.fault import Fault
from pipelines.demo.fault_drill.fault_drill import FAULTS, SHOWN, first_sentences, plant_and_watch, select_faults
from pipelines.demo.fault_drill.scene import LIVE, Scene

SEED, SAMPLE = 22, 5
WITHOUT_RUN = [fault for fault in FAULTS if not fault.hours and fault.name != "run: killed"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        yield build_base_home(tmp_path_factory.mktemp("faults"), first=LIVE - timedelta(days=1), hours=2)


@pytest.mark.parametrize(
    "fault",
    [
        *random.Random(SEED).sample(WITHOUT_RUN, SAMPLE),
        *(fault for fault in FAULTS if fault.name == "movements: empty"),
    ],
    ids=lambda fault: fault.name,
)
def test_a_fault_is_reported_within_two_looks(
    base: Scene, fault: Fault, tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = plant_and_watch(base, tmp_path_factory.getbasetemp() / "copy", fault, {})
    assert report.ok, report
    assert report.recipient == "owner"
    assert report.look in (1, 2)


def test_a_fault_that_nobody_hears_of_fails(base: Scene, tmp_path: Path) -> None:
    harmless = Fault("harmless", lambda scene: None, ("no alert holds this",))
    report = plant_and_watch(base, tmp_path / "copy", harmless, {})
    assert (report.ok, report.recipient, report.lost) == (False, "", "")


def test_the_drill_has_at_least_forty_kinds_of_faults() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


def test_a_cell_holds_whole_sentences_if_it_can() -> None:
    """Once, cells ended within a sentence that said what to do, or with two full stops."""
    first, second = "x.csv, line 2: 'event' is missing.", "Ask the sender for a file with all columns."
    assert first_sentences(f"{first}\n{second}") == f"{first} {second[:-1]}"
    assert first_sentences(f"{first} {'Word ' * SHOWN}.") == first[:-1]
    assert first_sentences(f"calls: row 2 differs. calls: {'word ' * SHOWN}") == "calls: row 2 differs"
    assert first_sentences("word " * SHOWN).endswith("word …") and len(first_sentences("word " * SHOWN)) <= SHOWN


def test_single_faults_are_selected_by_parts_of_their_names() -> None:
    assert [fault.name for fault in select_faults("cut tail, RUN: killed")] == ["run: killed", "insider: cut tail"]
    assert len(select_faults("")) == len(FAULTS)
