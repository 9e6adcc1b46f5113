"""What-if questions and answers in the words of the business."""

from __future__ import annotations

import pytest

from sixtyforty.accounting.what_if_accounts import open_accounts
from sixtyforty.reports.what_if_texts import (
    AS_DECLARED,
    describe_answer,
    describe_assumption,
    format_break_even,
    format_number,
    name_variable,
)
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home
from tests.words import assert_plain


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("accounted"))


def test_variables_and_numbers_are_named(ws: Workspace) -> None:
    names = [name_variable(name, ws.use_case) for name in ("cost.act", "gain.act", "capacity", "success")]
    assert names == [
        "Cost: call a second fitter in",
        "Gain if late: call a second fitter in",
        "At most so many actions a day",
        "Actions that work",
    ]
    kpi = ws.use_case.kpi
    numbers = [
        format_number(*n, kpi) for n in (("cost.act", 2.5), ("capacity", 1), ("capacity", None), ("success", 75))
    ]
    assert numbers == ["EUR 2.50", "1 action", "no limit", "75%"]
    break_evens = [("cost.act", 675.504), ("per_month", 200_821.09), ("build", 1250.0), ("success", 22.21)]
    rounded = [format_break_even(*n, kpi) for n in break_evens]
    assert rounded == ["EUR 675.50", "EUR 200,821", "EUR 1,250", "22%"]
    assert describe_assumption({"cost.gone": 2.0}, {"cost.gone": 1.0}, ws.use_case) == ["Cost: gone: 2% instead of 1%"]


def test_accounts_without_unit_sums_vary_only_the_costs_and_say_why(ws: Workspace) -> None:
    accounts = open_accounts(ws, "replay")
    assert accounts
    assert accounts.what_if.variables.keys() == {"build", "per_month"}
    assert accounts.unvaried[0].startswith("The payoffs. What the gain rests on isn't calculated for 91 partitions")
    assert_plain(" ".join(accounts.unvaried))
    assert describe_answer(accounts, {}, accounts.what_if.answer({})) == AS_DECLARED
    sentence = describe_answer(accounts, {"build": 0.0}, accounts.what_if.answer({"build": 0.0}))
    assert sentence.startswith("With this assumption, the net benefit would be EUR ")


def test_without_accounts_there_is_nothing_to_vary(ws: Workspace) -> None:
    assert open_accounts(ws, "live") is None
