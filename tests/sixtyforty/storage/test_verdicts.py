"""A verdict survives being stored, its id covers everything in it, and it knows whether rows vanished."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import (
    RuleResult,
    Verdict,
    is_accepted,
    read_verdict,
    verdict_facts,
    verdict_id,
    was_complete,
)

RULES = [
    RuleResult("expect_x", "load", "critical", passed=False, failed=2, of=9, expected="0 to 1", sample_rows=[3, 7]),
    RuleResult("expect_y", "site", "warning", passed=False, observed=0.4),
    RuleResult("expect_z", "site", "warning", passed=True),
    RuleResult("expect_w", "id", "info", passed=False),
]
VERDICT = Verdict("calls", "2013-03-10", True, 10, 6, 2, 1, 1, ["2 rows were quarantined."], RULES)


def test_a_stored_verdict_is_read_as_it_was_written() -> None:
    stored = json.loads(json.dumps(VERDICT.to_dict()))
    assert Verdict.from_dict(stored) == VERDICT
    assert Verdict.from_dict(stored).id == VERDICT.id


def test_a_manifest_stores_a_verdict_and_its_id() -> None:
    facts = json.loads(json.dumps(verdict_facts(VERDICT)))
    entry = Entry("validated/calls", VERDICT.partition, "x.parquet", 6, "a", facts=facts)
    assert (read_verdict(entry), verdict_id(entry)) == (VERDICT, VERDICT.id)
    assert (is_accepted(entry), was_complete(entry)) == (True, True)


def test_an_open_partition_and_a_rejected_one_are_recognised() -> None:
    for changed in (replace(VERDICT, accepted=False), replace(VERDICT, closed=False)):
        entry = Entry("validated/calls", VERDICT.partition, "x.parquet", 6, "a", facts=verdict_facts(changed))
        assert (is_accepted(entry), was_complete(entry)) == (changed.accepted, changed.closed)


def test_the_id_covers_the_counts_the_reasons_and_the_rules() -> None:
    changes = [
        replace(VERDICT, accepted=False),
        replace(VERDICT, quarantined=3),
        replace(VERDICT, reasons=[]),
        replace(VERDICT, closed=False),
        replace(VERDICT, rules=[replace(RULES[0], failed=3), *RULES[1:]]),
    ]
    assert len({VERDICT.id, *(changed.id for changed in changes)}) == 6


@given(st.tuples(*[st.integers(0, 3)] * 4), st.integers(-1, 1))
def test_rows_are_conserved_when_the_four_counts_add_up(counts: tuple[int, int, int, int], difference: int) -> None:
    accepted, quarantined, duplicates, superseded = counts
    verdict = replace(
        VERDICT,
        landed=sum(counts) + difference,
        accepted_rows=accepted,
        quarantined=quarantined,
        duplicates=duplicates,
        superseded=superseded,
    )
    assert verdict.conserved == (difference == 0)


def test_warnings_are_the_failed_rules_of_that_severity() -> None:
    assert [rule.rule for rule in VERDICT.warnings] == ["expect_y"]
