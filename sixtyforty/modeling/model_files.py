"""Verify that the files of a model version are unchanged since the model was fitted.

The verification has four parts:

1. The model card names the use case and the version, and the card's data, recipe and libraries give that version.
2. The hash of the model file is the one on the model card, and the file can be loaded.
3. The hash of the training set is the one on the model card.
4. The loaded model gives the first rows of its training set the scores that the model card recorded at the fit.

A success is cached under the hashes of model card and model file, so unchanged files are verified only once.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sixtyforty.modeling.estimators import restore_model
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_store import CARD, MODEL, TRAINING_SET, ModelStore, score_rows
from sixtyforty.modeling.skops_files import ModelError, load_skops
from sixtyforty.modeling.training_plan import version_name
from sixtyforty.storage.files import canonical_json, digest, write_atomic
from sixtyforty.storage.lake import Lake

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE = 1e-9  # another processor may round a score's last digits differently


def find_file_problem(use_case: str, lake: Lake, store: ModelStore, version: str) -> str | None:
    """Return why the files of a model version can't be trusted, and what to do next. Return None for sound files.

    use_case: the use case's oldest name. Its model cards hold this name, even after a rename.
    """
    try:
        verify_files(use_case, lake, store, version)
    except ModelError as error:
        return str(error)
    return None


def verify_files(use_case: str, lake: Lake, store: ModelStore, version: str) -> None:
    """Verify the files of a model version. Raises ModelError with the first problem, and what to do next.

    use_case: the use case's oldest name, before any rename.
    """
    card_bytes, model_bytes = store.read_file(version, CARD), store.read_file(version, MODEL)
    sha256 = {"card": hashlib.sha256(card_bytes).hexdigest(), "model": hashlib.sha256(model_bytes).hexdigest()}
    verified = lake.root / "backtest" / version / f"files_{digest(sha256 | {'libraries': library_versions()})}.json"
    if verified.exists():
        return
    try:
        card = ModelCard.from_json(card_bytes)
        _check_card(card, use_case, version)
        model = restore_model(load_skops(model_bytes, card.files.get(MODEL)), card)
        scores = score_rows(model, store.sample_rows(card, version))
        _check_scores(card, scores)
    except ModelError as error:
        raise ModelError(
            f"{version}: {error} Nothing is promoted. Restore the folder {store.folder(version)} from a backup, or"
            " delete it and run the chain again: the version is then trained on the same data."
        ) from error
    write_atomic(verified, canonical_json(sha256).encode())


def _check_card(card: ModelCard, use_case: str, version: str) -> None:
    if (card.use_case, card.version) != (use_case, version):
        raise ModelError(f"The model card describes {card.use_case} {card.version}, expected {use_case} {version}.")
    if card.data_version != digest(card.data):
        raise ModelError("The model card was changed: its data versions don't match the hash that the card states.")
    if version_name(card.as_of, card.data_version, card.recipe_version, card.libraries) != version:
        raise ModelError("The hash in the version name doesn't match the data, recipe and libraries on the model card.")


def _check_scores(card: ModelCard, scores: NDArray[np.float64]) -> None:
    import numpy as np

    if not np.isfinite(scores).all():
        raise ModelError(f"The model gives no score for some of the first {scores.shape[-1]} rows of {TRAINING_SET}.")
    if not card.sample_scores:  # the model was fitted before model cards recorded scores
        return
    recorded = np.array(card.sample_scores, float)
    if recorded.shape != scores.shape or not np.allclose(scores, recorded, rtol=TOLERANCE, atol=TOLERANCE):
        raise ModelError(
            f"The model no longer gives the scores that its model card recorded at the training (checked on the first"
            f" {scores.shape[-1]} rows of {TRAINING_SET})."
        )
