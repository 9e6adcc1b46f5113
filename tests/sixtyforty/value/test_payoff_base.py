"""Both kinds of payoffs offer every method of the interface."""

from __future__ import annotations

import inspect

import pytest

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.numeric_payoffs import NumericPayoffs
from sixtyforty.value.payoff_base import PayoffError, Payoffs


@pytest.mark.parametrize("kind", [ChoicePayoffs, NumericPayoffs])
def test_every_method_of_the_interface_has_the_same_parameters(kind: type) -> None:
    methods = {name for name, _ in inspect.getmembers(Payoffs, inspect.isfunction) if not name.startswith("_")}
    assert methods == {"realized", "is_priced", "best_possible", "choose_actions", "expected_outcomes"}
    for name in methods:
        expected, offered = (list(inspect.signature(getattr(c, name)).parameters) for c in (Payoffs, kind))
        assert offered == expected


def test_a_payoff_error_is_shown_to_the_user_without_a_traceback() -> None:
    assert issubclass(PayoffError, SixtyfortyError)
