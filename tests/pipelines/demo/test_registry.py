"""The demos' landings, and the list of them, know what they are about; nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.authoring import catalog
from pipelines.demo.registry import DEMOS
from pipelines.settings import ROOT

ABOUT = re.compile("flight|tailnum|household|basket", re.IGNORECASE)


def test_nothing_but_the_demos_speaks_of_what_a_use_case_is_about() -> None:
    folders = ["assets", "sixtyforty", "desk"]
    files = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()]
    files += [p for folder in ("expectations", "pipelines") for p in (ROOT / folder).glob("*.py")]
    files += (ROOT / "pipelines" / "cli").glob("*.py")
    assert len(files) > 100
    speak = [p for p in files if "__pycache__" not in p.parts and ABOUT.search(p.read_text(errors="ignore"))]
    landings = [Path(f"pipelines/{name}.py") for name in ("demo", "demo_households", "demos")]
    assert sorted(p.relative_to(ROOT) for p in speak) == landings


def test_there_is_demo_data_for_every_use_case_and_a_file_of_its_recipe() -> None:
    assert list(DEMOS) == catalog.list_use_cases()
    listed = re.findall(r"foreach: \[(.*)\]", (ROOT / "dvc.yaml").read_text())
    assert listed == [", ".join(DEMOS)] * 2
