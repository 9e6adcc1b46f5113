"""SQL that doesn't fit the data contract is found without data, with its field or its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sixtyforty.modeling.sql_check import check_sql
from sixtyforty.spec.use_case import UseCase
from tests.helpers import make_use_case

STAGES = {"features", "outcomes", "current_process"}


def check(use_case: UseCase) -> tuple[list[Any], list[str]]:
    return check_sql(use_case, UseCase.model_fields.keys(), STAGES)


def test_sql_that_fits_has_no_problem_and_gives_its_columns(tmp_path: Path) -> None:
    assert check(make_use_case(tmp_path)) == ([], ["id", "site", "load", "late_before"])


def test_quotes_in_names_of_actions_and_columns_fit(tmp_path: Path) -> None:
    actions = {"don't wait": {"description": "x", "cost": "load"}, "wait": {"description": "y"}, "act": {}}
    use_case = make_use_case(tmp_path, kpi={"actions": actions | {"act": {"description": "z"}}})
    assert check(use_case)[0] == []


@pytest.mark.parametrize("name", ["action", "Action", "current_action", "suspect"])
def test_a_feature_cannot_have_the_name_of_an_added_column(tmp_path: Path, name: str) -> None:
    """The actions once replaced such a feature, so that explaining a decision ended in a traceback."""
    use_case = make_use_case(tmp_path)
    (tmp_path / "features.sql").write_text(
        f"select id, site, load, late_before, load as {name} from (from units, (select 1 as late_before))"
    )
    (problem,) = check(use_case)[0]
    assert problem.stage == "features" and problem.message.startswith(f"the column name '{name}' is reserved")


@pytest.mark.parametrize(
    ("stage", "text", "line", "message"),
    [
        ("features", "select id,\n lod from units", 2, "the SQL can't run"),
        ("outcomes", "select id from units", 1, "the query returns no column 'late'"),
        ("current_process", "select id from units", 1, "the query returns no column 'action'"),
    ],
)
def test_a_problem_of_a_file_has_its_line(tmp_path: Path, stage: str, text: str, line: int, message: str) -> None:
    use_case = make_use_case(tmp_path)
    (tmp_path / f"{stage}.sql").write_text(text)
    problem = check(use_case)[0][0]
    assert (problem.stage, problem.line) == (stage, line)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("changes", "field", "allowed"),
    [
        ({"kpi": {"actions": {"act": {"cost": "lod"}}}}, "kpi.actions.act.cost", "load"),
        ({"kpi": {"segments": ["sit"]}}, "kpi.segments", "site"),
        ({"model": {"categorical": ["sit"]}}, "model.categorical", "site"),
        ({"model": {"target": "lat"}}, "model.target", "late"),
        ({"decision": {"decided_at": "call_our"}}, "decision.decided_at", "call_hour"),
        ({"sources": {"calls": {"known_at": "call_our"}}}, "sources.calls.known_at", "call_hour"),
        (
            {"model": {"vetoes": {"v": {"when": "lod > 1", "never": "act", "why": "so"}}}},
            "model.vetoes.v.when",
            "load",
        ),
    ],
)
def test_a_problem_of_a_field_names_what_exists(
    tmp_path: Path, changes: dict[str, Any], field: str, allowed: str
) -> None:
    problems, _ = check(make_use_case(tmp_path, **changes))
    assert field in [problem.field for problem in problems]
    (problem,) = [problem for problem in problems if problem.field == field]
    assert allowed in problem.allowed


def test_an_unfinished_declaration_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    assert check_sql(make_use_case(tmp_path), ["sources"], set()) == ([], [])
    assert check_sql(make_use_case(tmp_path), ["sources", "decision"], {"features"})[1][:2] == ["id", "site"]


@pytest.mark.parametrize(
    ("feature", "categorical", "message"),
    [
        ("'drizzle' as weather", ["site"], "the feature 'weather' is text; list it in model.categorical"),
        ("u.site as region", [], "the feature 'region' is text; list it in model.categorical"),
        ("u.call_hour::date as day", ["site"], "the feature 'day' is a date or time"),
        ("u.call_hour as called", ["site", "called"], "the feature 'called' is a category of the type timestamp"),
        ("{'a': u.load} as loads", ["site"], "the feature 'loads' is of the type struct"),
    ],
)
def test_a_feature_from_which_no_model_can_learn_is_named(
    tmp_path: Path, feature: str, categorical: list[str], message: str
) -> None:
    use_case = make_use_case(tmp_path, model={"categorical": categorical})
    others = "u.site, " if "site" in categorical else ""
    (tmp_path / "features.sql").write_text(f"select u.id, {others}u.load, {feature} from units u")
    ((problem,), _) = check(use_case)
    assert problem.field == "model.categorical"
    assert problem.message.startswith(message)


def test_hidden_columns_and_keys_may_have_any_type(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    (tmp_path / "features.sql").write_text("select id, site, load, call_hour as _called, 'x' as _note from units")
    assert check(use_case)[0] == []


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("'yes'", "the outcome 'late' is of the type VARCHAR; return a number, or true and false"),
        ("v.seen_at", "the outcome 'late' is of the type TIMESTAMP"),
        ("v.late = 1", None),
        ("v.late::decimal(9,2)", None),
    ],
)
def test_an_outcome_must_be_a_number_or_a_boolean(tmp_path: Path, outcome: str, message: str | None) -> None:
    use_case = make_use_case(tmp_path)
    (tmp_path / "outcomes.sql").write_text(
        f"select id, {outcome} as late, v.known_at from units left join visits v using (id)"
    )
    problems, _ = check(use_case)
    assert [problem.stage for problem in problems] == ([] if message is None else ["outcomes"])
    assert message is None or problems[0].message.startswith(message)
