"""The decisions that the figures leave out are counted, and the sentence names each possible cause."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.unvalued_decisions import count_unvalued, describe_unvalued
from tests.helpers import make_use_case
from tests.sixtyforty.accounting.test_kpi_ledger import KEYS, UNPRICED_ACTIONS, decided_home, set_outcomes


def test_decisions_of_unknown_value_are_counted_by_partition(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    set_outcomes(ws, KEYS[0], [1, *[None] * 19])
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert [count_unvalued(ws, "replay", [key]) for key in KEYS] == [19, 0, 0]
    assert (count_unvalued(ws, "replay"), count_unvalued(ws, "live")) == (19, 0)


def test_the_sentence_names_each_cause_that_the_kpi_allows(tmp_path: Path) -> None:
    known = make_use_case(tmp_path).kpi
    assert describe_unvalued(known, 0) == ""
    assert describe_unvalued(known, 1) == "The outcome of 1 more decision isn't known yet."
    unpriced = make_use_case(tmp_path, kpi={"actions": UNPRICED_ACTIONS}).kpi
    assert describe_unvalued(unpriced, 1_200) == (
        "1,200 more decisions aren't counted:"
        " the outcome isn't known yet, or the gain or cost of the action is unknown."
    )
