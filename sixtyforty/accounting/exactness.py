"""Test by a holdout whether figures are exact: whether the action leaves the outcome as it is.

`kpi.measurement: exact` rests on that assumption. If a holdout refutes it, no figure of the use case is exact, on
either track. The label is then `assumed`, and neither promotion gates nor stage gates pass.

A run records the refutation in the exactness ledger. Later data don't undo it: the test has a fixed error rate only if
its first rejection stands. A person can clear it, for example because the arms were mixed up. Then only later decisions
are tested.
"""

from __future__ import annotations

from datetime import datetime

from sixtyforty.accounting.arm_sums import build_arm, declared_holdout, sum_arms
from sixtyforty.accounting.holdout_shares import count_held_out
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.modeling.built_by import hash_tested_parts
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.exactness_ledger import ExactnessEvent, describe_standing
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.value.experiment import compare_arms
from sixtyforty.value.lift import Interval
from sixtyforty.value.outcome_test import OutcomeTest
from sixtyforty.value.share_test import describe_mismatches, find_mismatches
from sixtyforty.workspace import Workspace

_tests: BoundedCache[str, list[OutcomeTest]] = BoundedCache(100)


class ExactnessError(SixtyfortyError):
    """A refutation can't be cleared."""


def run_exactness_test(ws: Workspace) -> OutcomeTest | None:
    """Return what the live holdout says about the assumption that the action doesn't change the outcome.

    Return None if figures aren't declared exact, if there is no holdout, or before both arms have a known outcome.
    """
    kpi = ws.use_case.kpi
    if kpi.measurement != "exact" or kpi.holdout is None:
        return None
    decisions = ws.lake.entries(decisions_dataset("live"))
    outcomes = ws.lake.entries("outcomes", list(decisions))
    cleared_at = ws.exactness_ledger.cleared_at(hash_tested_parts(ws.use_case)) or datetime.min
    tested = [partition for partition in outcomes if ws.use_case.opens_at(partition) >= cleared_at]
    decisions, outcomes = ({p: entries[p] for p in tested} for entries in (decisions, outcomes))
    if not decisions:
        return None
    versions = [versions_by_partition(entries) for entries in (decisions, outcomes)]
    key = digest([ws.use_case.name, str(ws.lake.root), kpi.holdout.model_dump(), kpi.outcome_columns, versions])
    tests = _tests.get(key)
    if tests is None:
        test = _compare_outcomes(ws, decisions, outcomes)
        tests = [test] if test else []
        _tests.put(key, tests)
    return tests[0] if tests else None


def describe_refutation(ws: Workspace) -> str | None:
    """Return why no figure of the use case is exact although its declaration says so; None if nothing refutes it.

    A recorded refutation stands, whatever newer data show.
    """
    if ws.use_case.kpi.measurement != "exact":
        return None
    if standing := describe_standing(ws.exactness_ledger, hash_tested_parts(ws.use_case), ws.use_case.name):
        return standing
    test = run_exactness_test(ws)
    return describe_test(ws, test) if test and test.is_refuted else None


def record_refutation(ws: Workspace, now: datetime) -> ExactnessEvent | None:
    """Record in the ledger that the live holdout refutes exact figures. Return the row; None if it doesn't refute them.

    now: UTC, naive.
    """
    test = run_exactness_test(ws)
    if test is None or not test.is_refuted:
        return None
    event = ExactnessEvent(
        event="refuted",
        declaration=hash_tested_parts(ws.use_case),
        by="holdout",
        why=describe_test(ws, test),
        effective_from=now.isoformat(timespec="seconds"),
        evidence=test.to_dict(),
    )
    return ws.exactness_ledger.record(event)


def clear_refutation(ws: Workspace, by: str, why: str, now: datetime) -> ExactnessEvent:
    """Set a refutation aside, and return the new row. From `now` (UTC, naive) on, a new test starts.

    Raises ExactnessError if nothing refutes the figures of the use case.
    """
    record_refutation(ws, now)
    declaration = hash_tested_parts(ws.use_case)
    if ws.use_case.kpi.measurement != "exact" or ws.exactness_ledger.refutation(declaration) is None:
        raise ExactnessError(f"{ws.use_case.name}: there is no refutation to clear. Nothing refutes exact figures.")
    event = ExactnessEvent(
        event="cleared", declaration=declaration, by=by, why=why, effective_from=now.isoformat(timespec="seconds")
    )
    return ws.exactness_ledger.record(event)


def describe_test(ws: Workspace, test: OutcomeTest) -> str:
    """Return what a test of exactness says, in sentences for people."""
    return test.describe(ws.use_case.kpi.unit_plural, ws.use_case.kpi.outcome_type == "binary")


def label_figures(ws: Workspace, track: Track) -> EvidenceLabel:
    """Return the kind of evidence behind the gain of a track: the declared one, or `assumed` if it is refuted."""
    declared = ws.use_case.label(track)
    return "assumed" if declared == "exact" and describe_refutation(ws) else declared


def _compare_outcomes(ws: Workspace, decisions: dict[str, Entry], outcomes: dict[str, Entry]) -> OutcomeTest | None:
    with sum_arms(ws, decisions, outcomes) as sums:
        in_both = f"(select share from {sums.rows} group by share having count(distinct held_out) = 2)"
        rows = f"(from {sums.rows} where share in {in_both})"
        if not sums.db.execute(f"select count(*) from {rows}").fetchall()[0][0]:
            return None
        model, current = (
            build_arm(ws.use_case, sums.db, f"(from {rows} where held_out = {held_out})") for held_out in (False, True)
        )
    effect = compare_arms(model, current)
    low, high = effect.always_valid_interval(declared_holdout(ws.use_case).planned_units)
    units, held_out = float(model.total[:, 0].sum()), float(current.total[:, 0].sum())
    mismatches = find_mismatches(count_held_out(ws, list(decisions)))
    return OutcomeTest(
        units=int(units + held_out),
        held_out=int(held_out),
        model_rate=float(model.total[:, 1].sum()) / units,
        holdout_rate=float(current.total[:, 1].sum()) / held_out,
        difference=Interval(float(effect.value), float(low), float(high), problem=effect.problem),
        problem=describe_mismatches(mismatches, "kpi.holdout.share") if mismatches else "",
    )
