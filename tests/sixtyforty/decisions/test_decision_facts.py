"""The facts of a manifest of decisions are read as they were written, and older manifests can be read."""

from __future__ import annotations

import json

from sixtyforty.decisions.decision_facts import UNKNOWN, DecisionFacts, UnscoredDecisions
from sixtyforty.storage.manifests import Entry


def read(facts: dict[str, object]) -> DecisionFacts:
    stored = json.loads(json.dumps(facts))
    return DecisionFacts.from_entry(Entry("decisions/live", "2013-06-01", "x.parquet", 9, "a", facts=stored))


def test_a_manifest_lists_the_occasional_deciders_only_if_they_decided() -> None:
    facts = DecisionFacts(model=4, holdout=2, shadow=1, declared_versions=["v1", "v2"], champions=["c1"])
    assert facts.to_facts() == {
        "model": 4,
        "current_process": 0,
        "fallback": 0,
        "holdout": 2,
        "shadow": 1,
        "declared_versions": ["v1", "v2"],
        "champions": ["c1"],
    }
    assert read(facts.to_facts()) == facts
    assert facts.held_out == 3


def test_a_manifest_names_the_decisions_that_a_champion_could_not_take() -> None:
    unscored = (UnscoredDecisions("c1", "its file is missing", 3, True),)
    facts = DecisionFacts(fallback=3, declared_versions=["v1"], champions=["c1"], unscored=unscored)
    assert read(facts.to_facts()) == facts


def test_a_manifest_that_names_no_declaration_has_an_unknown_one() -> None:
    facts = read({"model": 0, "current_process": 3, "fallback": 1})
    assert (facts.current_process, facts.fallback, facts.held_out) == (3, 1, 0)
    assert (list(facts.declared_versions), list(facts.champions)) == ([UNKNOWN], [])
