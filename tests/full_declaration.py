"""A use case's folder in which every optional part is declared, and its suites. Tests make it invalid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.helpers import DECLARED, RESPONSES, SITES, SQL, merge

FULL: dict[str, Any] = merge(
    DECLARED,
    {
        "sources": {
            "sites": SITES,
            "responses": RESPONSES,
            "calls": {"derived": {"busy": "load > 0.5"}, "personal": ["site"]},
        },
        "people": {
            "executive": {"role": "head of service", "statement": "Every customer is served in time."},
            "research": [{"day": "2013-02-01", "participants": "three dispatchers", "finding": "They guess."}],
            "change": {
                "sceptics": [{"role": "fitters", "concern": "longer days", "response": "a limit"}],
                "training": {"first": {"title": "Reads the list", "role": "dispatcher", "headcount": 3}},
            },
            "responses": "responses",
            "unanswered": "not_done",
            "review": {"reviewers": {"lead": 3}, "minutes_per_review": 5, "abstain_below": 1, "rule": "gut"},
        },
        "kpi": {
            "measurement": "randomized",
            "holdout": {"share": 0.1, "value_per_outcome": -10, "cluster_by": ["site"], "covariate": "load"},
            "actions": {"act": {"gain": "10 + load"}},
            "costs": {"build": 100},
            "candidates": {
                "gut": {
                    "description": "A dispatcher's rule.",
                    "action": "case when load > 0.5 then 'act' else 'wait' end",
                },
                "bought": {"description": "A vendor's predictions.", "vendor": True, "expected_outcome": "load"},
            },
        },
        "model": {
            "monotone_constraints": {"load": 1},
            "target": "load * late",
            "alternatives": {
                "plain": {"description": "A linear model.", "estimator": "sklearn.linear_model.LogisticRegression"}
            },
            "vetoes": {"calm": {"when": "load < 0.1", "never": "act", "why": "all is calm"}},
            "reasons": {"load": "The load is {value:.1f}"},
        },
        "stages": {"poc": {"target": 100, "minimum_gain": 50, "stop_date": "2013-12-31", "scope": {"site": "north"}}},
        "sourcing": {
            "capability": "inside",
            "strategic": False,
            "why": "Any competitor can build it.",
            "remaining_build_cost": 0,
            "vendors": {"bought": {"per_month": 10}},
        },
        "governance": {"settle_minutes": 30},
        "automation": {"rollout": {"holdout_share": 0.5}},
        "watch": {"usage_days": 20},
        "alerts": {"owner": ["OWNER_MAIL"]},
        "subscriptions": [{"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL"]}],
    },
)
RULE = {
    "type": "expect_column_values_to_not_be_null",
    "severity": "critical",
    "kwargs": {"column": "id"},
    "why": "no id",
}
BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "severity": "warning",
    "kwargs": {"column": "rows", "min_value": 1},
    "why": "few",
}
SUITE = {
    "description": "For a test.",
    "rows": [RULE],
    "partition": {"metrics": {"rows": "count(*)"}, "rules": [BETWEEN]},
}
EMPTY_SUITE = {"description": "For a test."}


def write(
    folder: Path, attributes: dict[str, Any] = FULL, sql: dict[str, str] = SQL, suite: dict[str, Any] = SUITE
) -> tuple[Path, Path]:
    """Write a declaration and its suites. Return its folder and the folder of all suites.

    suite: the suite of the source `calls`; the other suites are empty.
    """
    use_case_folder, rules = folder / FULL["name"], folder / "rules"
    suites_folder = rules / use_case_folder.name
    use_case_folder.mkdir(parents=True, exist_ok=True)
    suites_folder.mkdir(parents=True, exist_ok=True)
    document = {"type": "pipelines.component.DecisionPipeline", "attributes": attributes}
    (use_case_folder / "defs.yaml").write_text(as_yaml(document))
    for stage, text in sql.items():
        (use_case_folder / f"{stage}.sql").write_text(text)
    for name in [*FULL["sources"], "features"]:
        (suites_folder / f"{name}.yaml").write_text(as_yaml(suite if name == "calls" else EMPTY_SUITE))
    return use_case_folder, rules


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes a mapping that occurs twice in full both times."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(document: Any) -> str:
    """Return YAML with one field per line."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000)
