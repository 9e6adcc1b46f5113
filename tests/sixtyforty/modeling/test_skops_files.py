"""Model files: the same model gives the same bytes, and nothing foreign is ever loaded."""

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
from tests.fits import Foreign, fitted, frame, sha
from tests.helpers import DECLARED


def test_two_fits_give_the_same_bytes() -> None:
    one, other = (stable_skops(dumps(fitted().estimator)) for _ in range(2))
    assert one == other


def test_another_model_gives_other_bytes() -> None:
    other = Model(**DECLARED["model"] | {"params": {"max_iter": 6, "min_samples_leaf": 5, "early_stopping": False}})
    assert stable_skops(dumps(fitted().estimator)) != stable_skops(dumps(fitted(other).estimator))


@pytest.mark.parametrize(
    "estimator",
    ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.LogisticRegression"],
)
def test_what_is_loaded_scores_as_what_was_stored(estimator: str) -> None:
    model = fitted(Model(estimator=estimator, training_days=1, categorical=["site"]))
    blob = stable_skops(dumps(model.estimator))
    loaded = FittedModel(load_skops(blob, sha(blob)), model.features, model.levels)
    assert loaded.predict(frame()).tolist() == model.predict(frame()).tolist()


def test_several_are_loaded_at_once() -> None:
    """Python 3.11 counts how deep `ast` is for all threads together, and fails where one stops midway (gh-106905)."""
    blob = stable_skops(dumps(fitted().estimator))
    before = gc.get_threshold()

    def pause(*_: Any) -> None:
        time.sleep(0.00001)

    def deep(below: int) -> Any:
        return deep(below - 1) if below else load_skops(blob, sha(blob))

    gc.callbacks.append(pause)  # where a thread may stop: a collection amid parsing
    gc.set_threshold(100)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(deep, [n % 7 for n in range(250)]))) == 250
    finally:
        gc.callbacks.remove(pause)
        gc.set_threshold(*before)


def test_settings_of_any_name_are_kept() -> None:
    steps = make_pipeline(FunctionTransformer(kw_args={"file": {"a": [1, 2]}, "content": "x"}))
    blob = stable_skops(dumps(steps))
    assert load_skops(blob, sha(blob))[0].kw_args == {"file": {"a": [1, 2]}, "content": "x"}


# --- what is refused


def test_a_file_with_one_byte_changed_is_refused() -> None:
    blob = stable_skops(dumps(fitted().estimator))
    for position in (0, len(blob) // 2, len(blob) - 1):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises(ModelError, match="its hash differs"):
            load_skops(bytes(changed), sha(blob))


def test_a_file_nobody_vouches_for_is_refused() -> None:
    with pytest.raises(ModelError, match="its hash differs"):
        load_skops(stable_skops(dumps(fitted().estimator)), None)


def a_function(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("thing", "named"),
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
def test_a_file_that_holds_a_foreign_type_is_refused_by_name_though_its_hash_is_right(thing: Any, named: str) -> None:
    blob = stable_skops(dumps(thing))
    Foreign.woken.clear()
    with pytest.raises(ModelError, match=f"types we don't trust: .*{named}"):
        load_skops(blob, sha(blob))
    assert Foreign.woken == []


class Explosive:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_is_not_loaded_though_its_hash_is_right(tmp_path: Path) -> None:
    blob = pickle.dumps(Explosive(tmp_path / "exploded"))
    with pytest.raises(ModelError, match="not a model file"):
        load_skops(blob, sha(blob))
    assert not (tmp_path / "exploded").exists()
    assert "REDUCE" in {step.name for step, _, _ in pickletools.genops(blob)}  # loading it would have called something
