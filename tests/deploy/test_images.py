"""Images of others are pinned by their digest."""

from __future__ import annotations

import re

from pipelines.settings import ROOT

OWN_IMAGE = "sixtyforty"


def test_each_image_is_pinned_by_its_digest() -> None:
    texts = [path.read_text() for path in (ROOT / "deploy").iterdir() if path.is_file()]
    images = [name for text in texts for name in re.findall(r"^\s*(?:FROM|image:)\s+(\S+)", text, re.M)]
    of_others = [image for image in images if not image.startswith(OWN_IMAGE)]
    assert len(of_others) == 2
    assert [image for image in of_others if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image)] == []
