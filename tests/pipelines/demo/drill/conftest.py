"""Rows of the delivery table for the tests of a drill."""

from __future__ import annotations

from datetime import datetime

from sixtyforty.decisions.delivery_table import DeliveredDecision


def make_delivered(action: str) -> DeliveredDecision:
    """Return a delivered decision with some action."""
    noon = datetime(2013, 6, 4, 12)
    return DeliveredDecision("live-2013-06-04-1", "2013-06-04", {"flight": 1}, noon, action, "model", "r", "v", noon)
