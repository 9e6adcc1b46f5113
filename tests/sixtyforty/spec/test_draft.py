"""A draft has the parts that are filled in; reading another part says what to fill in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.spec.draft import NO_OWNER, Blank, BlankFieldError, Draft, PartialUseCase
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.use_case import UseCase
from tests.helpers import WITH_RESPONSES, make_use_case


def make_draft(use_case: UseCase, *blanks: Blank) -> Draft:
    """Return a draft of the sources, the partitions and the people of a use case."""
    parts = {name: getattr(use_case, name) for name in ("name", "sources", "people", "timezone", "partitions")}
    return Draft.from_partial(PartialUseCase.model_construct(**parts, folder=use_case.folder), blanks)


def test_a_missing_part_raises_the_blanks_to_fill_in(tiny_use_case: UseCase) -> None:
    draft = make_draft(tiny_use_case, Blank("kpi.target", "The target.", Path("defs.yaml"), 7))
    with pytest.raises(
        BlankFieldError, match=r"calls_in_time is a draft. Fill in kpi.target \(defs.yaml:7\): The target."
    ):
        _ = draft.kpi
    with pytest.raises(SixtyfortyError, match=r"is a draft\. Fill in model$"):
        _ = draft.model
    with pytest.raises(AttributeError):
        _ = draft.colour  # type: ignore[attr-defined]


def test_a_draft_has_default_title_owner_and_stage(tiny_use_case: UseCase) -> None:
    draft = make_draft(tiny_use_case)
    assert (draft.title, draft.owner, draft.stage) == ("calls_in_time", NO_OWNER, "poc")
    assert draft.limits == tiny_use_case.limits


def test_the_source_of_the_responses_is_left_out(tmp_path: Path) -> None:
    draft = make_draft(make_use_case(tmp_path, **WITH_RESPONSES))
    assert list(draft.sources) == list(draft.inputs) == ["calls", "visits"]
