"""The reference page agrees with the models, and describes every field."""

from __future__ import annotations

from pipelines.authoring import reference
from sixtyforty.spec.fields import field_names
from sixtyforty.spec.use_case import UseCase


def test_the_page_is_current() -> None:
    assert reference.FILE.read_text() == reference.reference_page(), "run: make reference"


def test_the_page_lists_and_describes_every_field_of_every_model() -> None:
    models = list(reference.list_models(UseCase))
    assert {"", "kpi", "kpi.actions.*", "sources.*", "subscriptions[]", "people.review"} <= {path for path, _ in models}
    page = reference.reference_page()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    for path, model in models:
        (heading,) = [h for h in headings if (path or "The use case") in h.removeprefix("## ").split(", ")]
        section = page.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
        assert model.__doc__, path
        for name in field_names(model):
            (line,) = [row for row in section.splitlines() if row.startswith(f"| `{name}` |")]
            cells = line.split(" | ")
            assert len(cells) == 4 and len(cells[3]) > 8, line
