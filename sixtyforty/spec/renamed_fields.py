"""The fields and values of a declaration that version 0.2 renamed. An old name gives an error with the new name."""

from __future__ import annotations

from typing import Any

RENAMED_FIELDS: dict[str, dict[str, str]] = {  # model: old field: new field
    "Action": {
        "use_up": "use_full_limit",
    },
    "Amount": {
        "under": "shortage_cost",
        "over": "excess_cost",
        "least": "minimum",
        "most": "maximum",
        "whole": "whole_numbers",
    },
    "Automation": {
        "late_after": "late_after_minutes",
        "retrain": "retrain_cron",
    },
    "Candidate": {
        "expected": "expected_outcome",
    },
    "Costs": {
        "run_hour": "per_run_hour",
        "intervention": "per_response",
    },
    "Decision": {
        "every": "every_partitions",
        "on": "anchor_day",
        "learn_every": "learn_every_partitions",
        "unit": "unit_source",
    },
    "Gate": {
        "max_rejected": "max_rejected_share",
    },
    "Governance": {
        "max_quarantined": "max_quarantined_share",
        "settle": "settle_minutes",
    },
    "Holdout": {
        "worth": "value_per_outcome",
        "by": "cluster_by",
        "planned": "planned_units",
    },
    "Kpi": {
        "outcome_kind": "outcome_type",
        "target_by": "target_date",
        "label": "measurement",
        "unit": "currency",
        "noun": "unit_plural",
    },
    "Model": {
        "words": "reasons",
        "monotone": "monotone_constraints",
        "candidates": "alternatives",
    },
    "Partitions": {
        "ahead": "partitions_ahead",
    },
    "People": {
        "how_many": "headcount",
    },
    "Price": {
        "once": "one_off",
    },
    "Replay": {
        "first": "first_day",
        "warm_up": "warm_up_days",
    },
    "Research": {
        "asked": "participants",
        "found": "finding",
    },
    "Review": {
        "minutes": "minutes_per_review",
        "abstain": "abstain_below",
    },
    "Rollout": {
        "holdout": "holdout_share",
        "by": "cluster_by",
    },
    "Rule": {
        "at": "applies",
    },
    "Sceptic": {
        "who": "role",
        "worry": "concern",
        "answer": "response",
    },
    "Source": {
        "done": "requires_done_file",
        "every": "query_interval_seconds",
        "null": "null_text",
        "since": "cursor_column",
        "overlap": "cursor_overlap",
    },
    "Sourcing": {
        "hold_close": "strategic",
        "to_build": "remaining_build_cost",
        "growth": "yearly_growth",
        "scales": "variable_cost_share",
        "months": "horizon_months",
        "discount": "yearly_discount",
    },
    "StageGate": {
        "worth_having": "minimum_gain",
        "stop": "stop_date",
        "least": "minimum_partitions",
        "research": "minimum_findings",
        "trained": "minimum_trained_share",
    },
    "Stages": {
        "idea": "idea_date",
    },
    "Subscription": {
        "at": "hour",
    },
    "Suite": {
        "about": "description",
    },
    "Task": {
        "people": "headcount",
        "by": "due",
    },
    "Treatment": {
        "worth": "value_per_outcome",
    },
    "UseCase": {
        "lookback": "lookback_partitions",
        "outcome_horizon": "outcome_horizon_partitions",
    },
    "Vision": {
        "whose": "role",
        "says": "statement",
    },
    "Watch": {
        "retrain_days": "retrain_overdue_days",
        "max_fallback": "max_fallback_share",
        "use_days": "usage_days",
        "min_overrides": "min_override_share",
        "min_uptake": "min_uptake_share",
        "ticks": "max_silent_intervals",
    },
}
RENAMED_VALUES: dict[tuple[str, str], dict[str, str]] = {  # model and field: old value: new value
    ("Kpi", "outcome_type"): {"yes_no": "binary"},
    ("Review", "fallback"): {"present_process": "current_process"},
    ("Rule", "applies"): {"close": "after_close"},
}
RENAMED_FILES = {"present_process.sql": "current_process.sql"}
RENAMED_SQL = {  # views and columns that a use case's SQL reads
    "moments": "decision_partitions",
    "starts": "starts_at",
    "present_action": "current_action",
}


def renamed_field(model: str, field: str) -> str:
    """Return the new name of a renamed field; empty if it wasn't renamed. model: the name of its pydantic model."""
    return RENAMED_FIELDS.get(model, {}).get(field, "")


def renamed_value(model: str, field: str, written: Any) -> str:
    """Return the new spelling of a value that a declaration gives to a field; empty if the value wasn't renamed.

    model: the name of the field's pydantic model. written: the value in the declaration.
    """
    return RENAMED_VALUES.get((model, field), {}).get(written, "") if isinstance(written, str) else ""
