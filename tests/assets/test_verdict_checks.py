"""A verdict as an asset check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from assets.page_links import data_docs_link
from assets.verdict_checks import verdict_check, verdict_figures
from sixtyforty.storage.verdicts import RuleResult, Verdict

ACCEPTED = Verdict("calls", "2013-04-01", True, 20, 20, 0, 0, 0, [], [])
FAILED_RULE = RuleResult("be_between", "load", "warning", False, failed=2, of=20, expected="0 to 1", sample_rows=[3, 4])


def check_of(verdict: Verdict) -> Any:
    return verdict_check("contract", verdict, data_docs_link("calls"), verdict.partition)


def test_a_sound_partition_passes() -> None:
    check = check_of(ACCEPTED)
    assert (check.passed, check.description, check.partition) == (True, "all rules passed", "2013-04-01")


def test_an_accepted_partition_with_quarantined_rows_warns() -> None:
    check = check_of(replace(ACCEPTED, accepted_rows=19, quarantined=1, rules=[FAILED_RULE]))
    assert (check.passed, check.warn) == (False, True)
    assert check.description == "1 rule failed; 1 row quarantined"
    (record,) = check.metadata["failed rules"].records
    assert (record.data["expected"], record.data["rows failed"], record.data["lines"]) == ("0 to 1", 2, "3, 4")


def test_a_rejected_partition_fails_as_an_error_with_its_reasons() -> None:
    check = check_of(replace(ACCEPTED, accepted=False, reasons=["too few rows", "no evening"]))
    assert (check.passed, check.warn) == (False, False)
    assert check.description == "rejected: too few rows; no evening"
    assert check.metadata["reasons"] == "too few rows\nno evening"


def test_the_figures_hold_what_info_rules_recorded() -> None:
    recorded = replace(FAILED_RULE, severity="info", column="mean_load", observed=0.4)
    figures = verdict_figures(replace(ACCEPTED, rules=[recorded], duplicates=2))
    assert (figures["mean load"], figures["duplicates dropped"], figures["rows landed"]) == (0.4, 2, 20)
