"""Train the models of several versions in parallel, and store them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sixtyforty.modeling.estimators import fit_model
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.kpi import Kpi


def train_models(store: ModelStore, kpi: Kpi, versions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Fit and store a model for each version. Yield each version with its number of training rows.

    One thread per core is used, because estimators release Python's global lock. If the process is killed, no partly
    written file remains. Raises ModelError, which names the version, if a model can't be fitted.
    """
    from joblib import Parallel, delayed

    # The largest fits start first, so that all cores finish at about the same time.
    largest_first = sorted(versions, key=lambda version: -store.card(version).rows)
    fits = (delayed(_train)(store, kpi, version) for version in largest_first)
    yield from Parallel(n_jobs=-1, prefer="threads", return_as="generator")(fits)


def _train(store: ModelStore, kpi: Kpi, version: str) -> tuple[str, int]:
    card, frame = store.card(version), store.training_frame(version)
    try:
        model = fit_model(card.recipe, kpi, card.features, frame)
    except ModelError as error:
        raise ModelError(f"The model {version} can't be trained: {error}") from error
    store.write_model(version, model)
    return version, len(frame)
