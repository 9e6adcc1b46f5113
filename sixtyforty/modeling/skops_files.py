"""Read and write model files with skops. The same model gives the same bytes, and loading never unpickles."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from threading import Lock
from typing import Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.bounded_cache import BoundedCache

# Types that a model file may hold, besides the types that skops trusts by default. The list is fixed here and never
# read from the file. Gradient boosting with categories needs `partial` and `check_array`; skops checks what a partial
# holds. Forests need `Tree`, and encoders need `dtype`. A file is read only after its hash has been verified.
TRUSTED = [
    "functools.partial",
    "numpy.dtype",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
]

# NumPy parses array headers with `ast`. Python 3.11 counts the recursion depth of `ast` over all threads together, so
# two loads at the same time can fail (python/cpython#106905).
_LOAD_LOCK = Lock()

# Loaded models by the hash of their file, which the caller of `load_skops` has read again. Gate, backtest and decisions
# use the same few models. The weight of a model is the size of its file.
LOADED_BYTES = 1 << 25
_LOADED: BoundedCache[str, tuple[int, Any]] = BoundedCache(LOADED_BYTES, weigh=lambda loaded: loaded[0])


class ModelError(SixtyfortyError):
    """A model can't be trained, or its file can't be trusted."""


def load_skops(blob: bytes, sha256: str | None) -> Any:
    """Verify the hash of a model file, then load it with the allow-list TRUSTED.

    The same object may be returned again for the same bytes, so the caller must not change it.

    sha256: the hash on the model card. Raises ModelError if the file's hash differs, if the file contains types that
    are not trusted, or if the file isn't a skops file.
    """
    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    actual = hashlib.sha256(blob).hexdigest()
    if actual != sha256:
        raise ModelError(
            "The hash of the model file differs from the hash on the model card. Restore the file, or train the model"
            " again."
        )
    if loaded := _LOADED.get(actual):
        return loaded[1]
    try:
        with _LOAD_LOCK:
            model = loads(blob, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise ModelError(
            f"The model file holds types that are not on the list of trusted types: {error}. Declare another estimator."
        ) from error
    except zipfile.BadZipFile as error:
        raise ModelError("The model file is not a skops file. Train the model again.") from error
    _LOADED.put(actual, (len(blob), model))
    return model


def stable_skops(blob: bytes) -> bytes:
    """Replace the memory addresses in a skops file with sequential numbers, so that equal models give equal bytes."""
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
    """Replace ids and file names in a skops schema with sequential numbers, in place.

    members: the file names in the archive. Return the new name of each file, by its old name.
    """
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
