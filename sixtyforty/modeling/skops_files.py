"""Read and write model files with skops: the same model gives the same bytes, and loading never unpickles."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from threading import Lock
from typing import Any

from sixtyforty.spec.errors import SixtyfortyError

# Types that a model file may hold besides scikit-learn's and NumPy's plain types. This list is ours, never the file's.
# `partial` and `check_array` wrap the categories of gradient boosting; skops audits the content of a partial. `Tree`
# belongs to forests, `dtype` to encoders. A file is read only after its hash has been verified.
TRUSTED = [
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
]

# NumPy parses array headers with `ast`. Python 3.11 counts its recursion depth over all threads together, so that two
# loads at once can fail (python/cpython#106905).
_LOAD_LOCK = Lock()


class ModelError(SixtyfortyError):
    """A model that can't be trained or trusted."""


def load_skops(blob: bytes, sha256: str | None) -> Any:
    """Load a model file with the allow-list TRUSTED, after verifying its hash. Raises ModelError."""
    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    if hashlib.sha256(blob).hexdigest() != sha256:
        raise ModelError(
            "The hash of the model file differs from the one on the model card. Restore the file, or train again."
        )
    try:
        with _LOAD_LOCK:
            return loads(blob, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise ModelError(f"The model file holds types that are not on the list of trusted types: {error}.") from error
    except zipfile.BadZipFile as error:
        raise ModelError("The model file is not a skops file. Train the model again.") from error


def stable_skops(blob: bytes) -> bytes:
    """Return a skops file with counted object ids instead of memory addresses: equal models give equal bytes."""
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    new_names = _renumber(schema, set(members))
    renamed = {"schema.json": json.dumps(schema, indent=1).encode()}
    renamed |= {new_names[name]: content for name, content in members.items()}
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name in sorted(renamed):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, renamed[name], zipfile.ZIP_DEFLATED)
    return output.getvalue()


def _renumber(schema: Any, members: set[str]) -> dict[str, str]:
    """Replace ids and file names in a skops schema, in place, by numbers in order; return new file names by old."""
    numbers: dict[int, int] = {}
    new_names: dict[str, str] = {}

    def visit(node: Any) -> None:
        if isinstance(node, list):
            for child in node:
                visit(child)
        if not isinstance(node, dict):
            return
        for key, child in node.items():
            if key == "__id__":
                node[key] = numbers.setdefault(child, len(numbers))
            elif key == "file" and isinstance(child, str) and child in members:
                node[key] = new_names.setdefault(child, f"{len(new_names)}{Path(child).suffix}")
            else:
                visit(child)

    visit(schema)
    return new_names
