"""Every SQL expression of a declaration is listed with its field and the SQL that uses it."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.modeling.declared_sql import (
    DeclaredSql,
    feature_expressions,
    named_features,
    source_expressions,
    target_expressions,
)
from tests.helpers import make_use_case

KPI = {
    "actions": {"act": {"cost": "fee", "gain": 10}},
    "candidates": {
        "rule": {"description": "r", "action": "if(load > 1, 'act', 'wait')"},
        "bought": {"description": "b", "expected_outcome": "score"},
    },
    "segments": ["site"],
}
MODEL = {
    "vetoes": {"night": {"when": "load > 2", "never": "act", "why": "so"}},
    "reasons": {"load": "A load of {value}"},
    "target": "late * 2",
}


def test_the_expressions_over_features_have_their_fields(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, kpi=KPI, model=MODEL)
    fields = {expression.field: expression for expression in feature_expressions(use_case, ["kpi", "model"])}
    assert list(fields) == [
        "model.vetoes.night.when",
        "kpi.actions.act.cost",
        "kpi.candidates.rule.action",
        "kpi.candidates.bought.expected_outcome",
    ]
    assert fields["kpi.actions.act.cost"] == DeclaredSql("kpi.actions.act.cost", "fee", "(fee)::double")
    assert list(feature_expressions(use_case, [])) == []


def test_a_source_has_its_partition_and_its_time(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    fields = [e.field for e in source_expressions(use_case, "calls", use_case.sources["calls"], True)]
    assert fields == ["sources.calls.partition", "sources.calls.known_at"]
    without_time = source_expressions(use_case, "calls", use_case.sources["calls"], False)
    assert [expression.field for expression in without_time] == ["sources.calls.partition"]


def test_targets_and_named_features_are_listed(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, kpi=KPI, model=MODEL)
    assert [expression.field for expression in target_expressions(use_case.model)] == ["model.target"]
    assert ("kpi.segments", "site", False) in list(named_features(use_case, ["kpi"]))
    assert ("model.reasons", "load", True) in list(named_features(use_case, ["model"]))
