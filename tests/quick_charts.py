"""Charts that hold their words and no drawing, for the tests of chains and commands: drawing takes a fifth of a chain.

The tests of `sixtyforty.reports`, of the desk and of `tests/e2e` draw their charts.
"""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import pytest

from sixtyforty.reports import charts

FOLDERS = ("assets", "pipelines", "shapes")  # of the tests that look at no chart
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def use_quick_charts(patch: pytest.MonkeyPatch) -> None:
    """Write the words of each chart instead of drawing it."""
    patch.setattr(charts, "_to_bytes", _write_words)


def _write_words(figure: Any, form: charts.Form) -> bytes:
    from matplotlib.text import Text

    if form == "png":
        return PNG
    words = [f"<text>{escape(text.get_text())}</text>" for text in figure.findobj(Text)]
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(words)}</svg>'.encode()
