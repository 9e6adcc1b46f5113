"""The page of reference is what the models say, and says something of every field."""

from __future__ import annotations

from pipelines.authoring import reference
from sixtyforty.spec.fields import spelt
from sixtyforty.spec.use_case import UseCase


def test_the_page_is_current() -> None:
    assert reference.FILE.read_text() == reference.text(), "run: make reference"


def test_every_field_of_every_model_is_there_and_described() -> None:
    found = list(reference._models(UseCase, ""))
    assert {"", "kpi", "kpi.actions.*", "sources.*", "subscriptions[]", "people.review"} <= {path for path, _ in found}
    for path, model in found:
        section = reference.text().split(f"## {path or 'The use case'}\n", 1)[1].split("\n## ", 1)[0]
        assert model.__doc__, path
        for name in spelt(model):
            (line,) = [row for row in section.splitlines() if row.startswith(f"| `{name}` |")]
            assert len(line.split(" | ")) == 4 and len(line.split(" | ")[3]) > 8, line
