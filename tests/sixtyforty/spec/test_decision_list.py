"""The field `decision_list`: its order and filters name facts that it shows."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.decision_list import DecisionList


@pytest.mark.parametrize(("field", "names"), [("sort", "due"), ("filter", ["site", "due"])])
def test_order_and_filters_name_shown_facts(field: str, names: object) -> None:
    DecisionList(show={"site": "site", "due": "at"}, **{field: names})  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="'due' is not a fact of `show`"):
        DecisionList(show={"site": "site"}, **{field: names})  # type: ignore[arg-type]
