"""A build-or-buy assessment needs a reason."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.sourcing import Sourcing


@pytest.mark.parametrize("why", ["", "  "])
def test_an_empty_reason_is_refused(why: str) -> None:
    with pytest.raises(ValidationError, match="why: `why` is empty"):
        Sourcing(capability="inside", strategic=True, why=why, remaining_build_cost=0)
