"""The alert about a webhook that doesn't take decisions."""

from __future__ import annotations

from sixtyforty.decisions.webhook_outbox import OutboxCounts
from sixtyforty.reports.alerts import Alert
from sixtyforty.spec.wording import format_plural

PATIENCE = 2  # failed attempts of a decision that raise the alert


def find_failing_webhook(use_case: str, counts: OutboxCounts) -> list[Alert]:
    """Return an alert if the webhook of a use case didn't take a decision twice, or if one isn't sent again.

    use_case: the name of the use case. counts: its outbox.
    """
    if not counts.failed and counts.attempts < PATIENCE:
        return []
    unsent = format_plural(counts.waiting + counts.failed, "decision")
    again = f"{counts.failed:,} of them aren't sent again by themselves." if counts.failed else "They are sent again."
    text = (
        f"The webhook {counts.problem}, so {unsent} didn't reach it. {again}"
        " The table and the files hold all decisions."
        f" Repair the receiver, then run: sixtyforty webhook {use_case} --retry"
    )
    return [Alert("webhook fails", "webhook", text)]
