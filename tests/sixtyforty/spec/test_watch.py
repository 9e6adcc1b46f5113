"""The limits of alerts have ranges."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.watch import Watch


def test_a_schedule_may_be_silent_for_more_than_one_interval() -> None:
    with pytest.raises(ValidationError, match="max_silent_intervals"):
        Watch(max_silent_intervals=1)
