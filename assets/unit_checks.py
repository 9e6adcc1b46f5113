"""Check that every accepted unit reaches the accounts."""

from __future__ import annotations

from assets.stage import CheckResult, StageCheck, StageRun, refusal_check
from sixtyforty.accounting.unit_accounts import account_units
from sixtyforty.spec.wording import format_plural

UNITS_CONSERVED = StageCheck(
    "units_conserved",
    "In every partition, accepted units = features = outcomes (known or unknown), every due unit has a decision, and"
    " every decision has a line in the accounts.",
)


def check_units(run: StageRun) -> CheckResult:
    """Check that no unit of a run's partitions got lost on the way to the accounts. Name each difference."""
    accounts = account_units(run.ws, run.track, run.partitions, run.clock.current_time())
    differences = [text for account in accounts for text in account.differences]
    summary = f"every unit of {format_plural(len(accounts), 'partition')} is accounted for"
    return refusal_check(UNITS_CONSERVED.name, differences, summary)
