"""Model files: the same model gives the same bytes, and no untrusted type is ever loaded."""

from __future__ import annotations

import functools
import gc
import os
import pickle
import pickletools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from sixtyforty.modeling.estimators import FittedModel
from sixtyforty.modeling.skops_files import ModelError, load_skops, stable_skops
from sixtyforty.spec.recipe import Model
from tests.trained_models import RECIPE, Foreign, fit_small_model, sha256, training_rows


def test_two_fits_give_the_same_bytes() -> None:
    first, second = (stable_skops(dumps(fit_small_model().estimator)) for _ in range(2))
    assert first == second


def test_another_model_gives_other_bytes() -> None:
    other = RECIPE.model_copy(update={"params": {**RECIPE.params, "max_iter": 6}})
    assert stable_skops(dumps(fit_small_model().estimator)) != stable_skops(dumps(fit_small_model(other).estimator))


@pytest.mark.parametrize(
    "estimator",
    ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.LogisticRegression"],
)
def test_a_loaded_model_predicts_the_same(estimator: str) -> None:
    model = fit_small_model(Model(estimator=estimator, training_days=1, categorical=["site"]))
    blob = stable_skops(dumps(model.estimator))
    loaded = FittedModel(load_skops(blob, sha256(blob)), model.features, model.levels)
    assert loaded.predict(training_rows()).tolist() == model.predict(training_rows()).tolist()


def test_several_models_are_loaded_at_once() -> None:
    """Python 3.11 counts the depth of `ast` for all threads together and can fail (gh-106905)."""
    blob = stable_skops(dumps(fit_small_model().estimator))
    before = gc.get_threshold()

    def pause(*_: Any) -> None:
        time.sleep(0.00001)

    def load_at_depth(depth: int) -> Any:
        return load_at_depth(depth - 1) if depth else load_skops(blob, sha256(blob))

    gc.callbacks.append(pause)  # a garbage collection while parsing lets other threads run
    gc.set_threshold(100)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(load_at_depth, [n % 7 for n in range(250)]))) == 250
    finally:
        gc.callbacks.remove(pause)
        gc.set_threshold(*before)


def test_parameters_with_any_name_are_preserved() -> None:
    steps = make_pipeline(FunctionTransformer(kw_args={"file": {"a": [1, 2]}, "content": "x"}))
    blob = stable_skops(dumps(steps))
    assert load_skops(blob, sha256(blob))[0].kw_args == {"file": {"a": [1, 2]}, "content": "x"}


# Rejected files


def test_a_file_with_a_changed_byte_is_rejected() -> None:
    blob = stable_skops(dumps(fit_small_model().estimator))
    for position in (0, len(blob) // 2, len(blob) - 1):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises(ModelError, match="The hash of the model file differs"):
            load_skops(bytes(changed), sha256(blob))


def test_a_file_without_a_known_hash_is_rejected() -> None:
    with pytest.raises(ModelError, match="The hash of the model file differs"):
        load_skops(stable_skops(dumps(fit_small_model().estimator)), None)


def a_function(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (Foreign(), "Foreign"),
        (make_pipeline(Foreign()), "Foreign"),
        (FunctionTransformer(a_function), "a_function"),
        (FunctionTransformer(os.system), "system"),
        (FunctionTransformer(functools.partial(os.system, "true")), "system"),
        (FunctionTransformer(functools.partial(functools.partial(os.system), "true")), "system"),
        (make_pipeline(FunctionTransformer(np.load)), "load"),
        (FunctionTransformer(kw_args={"path": Path("x")}), "Path"),
    ],
)
def test_an_untrusted_type_is_rejected_by_name_even_with_the_right_hash(thing: Any, name: str) -> None:
    blob = stable_skops(dumps(thing))
    Foreign.loaded.clear()
    with pytest.raises(ModelError, match=f"not on the list of trusted types: .*{name}"):
        load_skops(blob, sha256(blob))
    assert Foreign.loaded == []


class Explosive:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_loaded_even_with_the_right_hash(tmp_path: Path) -> None:
    blob = pickle.dumps(Explosive(tmp_path / "exploded"))
    with pytest.raises(ModelError, match="not a skops file"):
        load_skops(blob, sha256(blob))
    assert not (tmp_path / "exploded").exists()
    assert "REDUCE" in {step.name for step, _, _ in pickletools.genops(blob)}  # loading it would call a function
