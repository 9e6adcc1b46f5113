"""The text of a declaration under another name, and back."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sixtyforty.spec.names import NameFieldError, has_name, restore_first_name, write_new_name

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
TEXT = """type: pipelines.component.DecisionPipeline
attributes:
  name: calls  # as the dispatchers say
  title: The calls
  kpi:
    name: Calls saved
  sources:
    responses: {query: select * from calls_responses}
    other: {query: select * from late_calls_responses}
"""


def test_a_new_name_changes_the_name_and_the_tables_only() -> None:
    assert write_new_name(TEXT, "calls", "visits") == TEXT.replace(
        "  name: calls  # as the dispatchers say\n",
        "  name: visits  # as the dispatchers say\n  former_names: [calls]\n",
    ).replace("from calls_responses", "from visits_responses")


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_the_first_text_comes_back_after_any_number_of_renames(names: list[str]) -> None:
    chain = ["calls", *names]
    assume(all(before != after for before, after in zip(chain, names, strict=False)))
    assume("late_calls" not in names)  # the name of a table of another use case
    text = TEXT
    for old, new in zip(chain, names, strict=False):
        text = write_new_name(text, old, new)
        assert has_name(text, new)
    assert f"former_names: [{', '.join(chain[:-1])}]" in text
    assert restore_first_name(text, chain[-1], chain[:-1]) == TEXT


def test_a_use_case_without_former_names_keeps_its_text() -> None:
    assert restore_first_name(TEXT, "calls", []) == TEXT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("name: calls", 'name: "calls"'), "expected one line 'name: calls'"),
        (TEXT.replace("  title", "  former_names:\n    - a\n  title"), "'former_names' is not a list in one line"),
    ],
)
def test_a_name_in_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(NameFieldError, match=message):
        write_new_name(text, "calls", "visits")
