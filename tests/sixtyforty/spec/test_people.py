"""A subscription needs addresses in environment variables; everything else about people is optional text."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.people import Change, Subscription, Task


@pytest.mark.parametrize("addresses", [[], ["owner@example.org"]])
def test_addresses_are_names_of_environment_variables(addresses: list[str]) -> None:
    with pytest.raises(ValidationError, match="to"):
        Subscription(role="owner", cadence="weekly", to=addresses)


def test_a_task_trains_at_least_one_person() -> None:
    with pytest.raises(ValidationError, match="headcount"):
        Task(title="Read the list", role="dispatcher", headcount=0)


def test_a_plan_for_change_may_be_empty() -> None:
    assert Change() == Change(sceptics=[], training={})
