"""Model files: written so that the same model has the same bytes, and loaded without ever unpickling."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from threading import Lock
from typing import Any

# What a model file may hold beside scikit-learn's and NumPy's plain types: our list, never the file's own.
# (partial and check_array: what gradient boosting wraps its categories in; skops audits what a partial holds.)
# (Tree: forests'; dtype: encoders'. A file is read only once its hash is known to be ours.)
TRUSTED = [
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
]

# NumPy reads what an array is by `ast`, whose depth Python 3.11 counts for all threads together: two at it fail
# (python/cpython#106905).
_ONE_AT_A_TIME = Lock()


class ModelError(ValueError):
    """A model that can't be trained or trusted."""


def load_skops(blob: bytes, sha256: str | None) -> Any:
    """Loads a model file whose hash is known, with our allow-list. Raises ModelError."""
    from zipfile import BadZipFile

    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    if hashlib.sha256(blob).hexdigest() != sha256:
        raise ModelError("the model file is not the one that was trained: its hash differs; restore it")
    try:
        with _ONE_AT_A_TIME:
            return loads(blob, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise ModelError(f"the model file holds types we don't trust: {error}") from error
    except BadZipFile as error:
        raise ModelError("not a model file as skops writes it; train again") from error


def stable_skops(blob: bytes) -> bytes:
    """A skops file whose object ids are counted instead of memory addresses: the same model, the same bytes."""
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(blob)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    schema = json.loads(members.pop("schema.json"))
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}

    def renumber(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            if key == "__id__":
                node[key] = numbers.setdefault(value, len(numbers))
            elif key == "file" and isinstance(value, str) and value in members:
                node[key] = files.setdefault(value, f"{len(files)}{Path(value).suffix}")
            else:
                renumber(value)
        for value in node if isinstance(node, list) else ():
            renumber(value)

    renumber(schema)
    renamed = {"schema.json": json.dumps(schema, indent=1).encode()} | {files[n]: m for n, m in members.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in sorted(renamed):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            new.writestr(info, renamed[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()
