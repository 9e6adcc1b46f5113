"""The demo data belongs to the use cases of this repository, and only the demo knows what they are about."""

from __future__ import annotations

import re

import pytest

from pipelines.authoring import catalog
from pipelines.demo.landing import DemoDataError
from pipelines.demo.registry import DEMOS, EXAMPLE_USE_CASE, demo_data_of
from pipelines.settings import ROOT

SUBJECTS = re.compile("flight|tailnum|household|basket", re.IGNORECASE)
PACKAGES = ("assets", "sixtyforty", "desk")
ROOMS = ("authoring", "automation", "cli", "operations", "runtime")


def test_only_the_demo_names_the_subject_of_a_use_case() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    files += [path for package in ("expectations", "pipelines") for path in (ROOT / package).glob("*.py")]
    files += [path for room in ROOMS for path in (ROOT / "pipelines" / room).rglob("*") if path.is_file()]
    assert len(files) > 100
    outside = [
        path.relative_to(ROOT)
        for path in files
        if "__pycache__" not in path.parts and SUBJECTS.search(path.read_text(errors="ignore"))
    ]
    assert outside == []


def test_every_use_case_has_demo_data() -> None:
    assert list(DEMOS) == catalog.list_use_cases()
    assert EXAMPLE_USE_CASE in DEMOS


def test_a_use_case_without_demo_data_is_answered_with_the_others() -> None:
    assert demo_data_of(EXAMPLE_USE_CASE) is DEMOS[EXAMPLE_USE_CASE]
    with pytest.raises(DemoDataError, match=f"Choose one of: {', '.join(DEMOS)}"):
        demo_data_of("churn")
