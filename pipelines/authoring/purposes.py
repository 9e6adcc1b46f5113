"""Look up what a field of a declaration is for, in the field's description."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from sixtyforty.spec.fields import model_of, types_along
from sixtyforty.spec.use_case import UseCase


def purpose_of(path: Sequence[Hashable]) -> str:
    """Return the description of the field at a path in defs.yaml, or of the nearest described field around it."""
    purpose = ""
    for prefix, kind in types_along(UseCase, path[:-1]):
        model = model_of(kind)
        field = model.model_fields.get(str(path[len(prefix)])) if model else None
        if field and field.description:
            purpose = field.description
    return purpose
