"""A declaration is checked when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.use_case import UseCase
from tests.helpers import SITES, make_use_case

REVIEW = {"reviewers": {"lead": 3}, "minutes_per_review": 5, "abstain_below": 1}
VETO = {"when": "load > 1", "never": "act", "why": "it can't be"}
HOLDOUT = {"share": 0.1, "value_per_outcome": -10}
RANDOMIZED = {"label": "randomized", "holdout": HOLDOUT}


def test_what_is_declared_is_loaded(tiny_use_case: UseCase) -> None:
    assert tiny_use_case.name == "calls_in_time"
    assert tiny_use_case.kpi.actions["act"].gain == 10
    assert tiny_use_case.sql("outcomes").startswith("select u.id")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"colour": "blue"}, "colour"),
        ({"kpi": {"colour": "blue"}}, "kpi.colour"),
        ({"sources": {"calls": {"colour": "blue"}}}, "sources.calls.colour"),
        ({"kpi": {"actions": {"act": {"price": 3}}}}, "kpi.actions.act.price"),
    ],
)
def test_a_field_that_does_not_exist_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_use_case(tmp_path, **changes)
    assert [".".join(map(str, e["loc"])) for e in refused.value.errors()] == [where]
    assert refused.value.errors()[0]["type"] == "extra_forbidden"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"decision": {"key": ["id", "nummer"]}},
            r"decision\.key names the column 'nummer', which isn't in the source",
        ),
        ({"sources": {"visits": {"key": ["nummer"]}}}, r"sources\.visits\.key .*'nummer'"),
        ({"sources": {"calls": {"personal": ["phone"]}}}, r"sources\.calls\.personal .*'phone'"),
        ({"decision": {"unit_source": "orders"}}, r"'orders' is not a source: \['calls', 'visits'\]"),
        ({"decision": {"every_partitions": 4}}, r"every above 1 needs on"),
        ({"decision": {"anchor_day": "2013-03-01"}}, r"every above 1 needs on"),
        ({"partitions": {"every": "month", "start": "2013-03-02"}}, r"months begin on their first day: 2013-03-01"),
        ({"partitions": {"end": "2013-02-28"}}, r"end 2013-02-28 is before partitions\.start"),
        ({"people": {"review": REVIEW | {"rule": "gut"}}}, r"people\.review\.rule 'gut' is not a candidate: \[\]"),
        ({"people": {"review": REVIEW | {"abstain_below": 0}}}, r"review needs a rule"),
        ({"kpi": {"candidates": {"gut": {"description": "Gut."}}}}, r"either action \(SQL of an action's name\) or"),
        ({"model": {"vetoes": {"v": VETO | {"never": "run"}}}}, r"model\.vetoes\.v\.never 'run' is not an action"),
        ({"model": {"vetoes": {"v": VETO, "w": VETO | {"never": "wait"}}}}, r"model\.vetoes name every action"),
        ({"model": {"monotone_constraints": {"site": 1}}}, r"monotone: \['site'\] are categories"),
        ({"model": {"reasons": {"load": "busy"}}}, r"words\.load needs \{value\}"),
        ({"model": {"reasons": {"load": "{value} of {all}"}}}, r"words\.load needs \{value\}"),
        ({"sources": {"calls": {"known_at": None}}}, r"sources\.calls is partitioned and needs known_at"),
        ({"kpi": {"measurement": "randomized"}}, r"needs kpi\.holdout or kpi\.treatment: nothing can be claimed"),
        ({"kpi": {"holdout": HOLDOUT}}, r"label exact has neither"),
        ({"kpi": RANDOMIZED | {"segments": ["site"]}}, r"segments belong to label exact"),
        ({"kpi": RANDOMIZED | {"holdout": HOLDOUT | {"cluster_by": ["nummer"]}}}, r"kpi\.holdout\.by .*'nummer'"),
        (
            {"automation": {"rollout": {"holdout_share": 0.5, "cluster_by": ["nummer"]}}},
            r"automation\.rollout\.by .*'nummer'",
        ),
        (
            {"kpi": RANDOMIZED, "automation": {"rollout": {"holdout_share": 0.5, "cluster_by": ["site"]}}},
            r"leave it out",
        ),
        ({"kpi": RANDOMIZED, "automation": {"rollout": {"holdout_share": 0.05}}}, r"less than kpi\.holdout\.share"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        make_use_case(tmp_path, **changes)


@pytest.mark.parametrize("timezone", ["America/Neu_York", "../secret", ""])
def test_a_timezone_that_does_not_exist_is_refused_like_any_other_value(tmp_path: Path, timezone: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        make_use_case(tmp_path, timezone=timezone)


@pytest.mark.parametrize("name", ["Calls", "1calls", "calls-in-time", "calls/in", ""])
def test_a_name_that_could_not_be_a_folder_or_an_asset_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        make_use_case(tmp_path, name=name)


def test_one_action_is_no_choice(tmp_path: Path, tiny_use_case: UseCase) -> None:
    declared = tiny_use_case.model_dump()
    declared["kpi"]["actions"] = {"act": {"description": "always"}}
    with pytest.raises(ValidationError, match="actions"):
        UseCase(**declared, folder=tmp_path)


def test_a_loaded_use_case_does_not_change(tiny_use_case: UseCase) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny_use_case.title = "Another"


def test_sources_are_partitioned_or_snapshots(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, sources={"sites": SITES})
    assert list(use_case.partitioned) == ["calls", "visits"]
    assert list(use_case.snapshots) == ["sites"]
