"""Check that a declared estimator exists, accepts its parameters, and suits the outcome."""

from __future__ import annotations

import importlib
from typing import Any

from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.confinement import estimator_packages, find_estimator_problem
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model

EXAMPLES = {
    "binary": "sklearn.ensemble.HistGradientBoostingClassifier",
    "number": "sklearn.ensemble.HistGradientBoostingRegressor",
}

METHODS = ("fit", "predict")


def create_estimator(recipe: Model) -> Any:
    """Return the estimator of a recipe with its declared parameters, not yet fitted.

    Raises ModelError if the estimator isn't in an allowed package, doesn't exist, isn't a BaseEstimator with the
    methods fit and predict, or doesn't accept a parameter. No module of another package is imported, and nothing but
    an estimator is called, because both could do anything.
    """
    from sklearn.base import BaseEstimator

    if problem := find_estimator_problem(recipe.estimator, estimator_packages()):
        raise ModelError(f"model.estimator: {problem}.")
    module, _, name = recipe.estimator.rpartition(".")
    try:
        estimator_class = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"The estimator '{recipe.estimator}' doesn't exist. Declare the import path of a scikit-learn estimator,"
            f" such as {EXAMPLES['binary']}."
        ) from error
    is_estimator = isinstance(estimator_class, type) and issubclass(estimator_class, BaseEstimator)
    if not is_estimator or not all(hasattr(estimator_class, method) for method in METHODS):
        raise ModelError(
            f"'{recipe.estimator}' is not an estimator with the methods fit and predict. Declare the import path of a"
            f" scikit-learn estimator, such as {EXAMPLES['binary']}."
        )
    try:
        return estimator_class(**recipe.params)
    except TypeError as error:
        raise ModelError(
            f"The estimator {recipe.estimator} doesn't accept the declared params: {error}. Correct params."
        ) from error


def require_suitable(recipe: Model, kpi: Kpi) -> None:
    """Raise ModelError if a recipe's estimator can't predict the expected outcome of the KPI.

    A classifier suits a binary outcome if it predicts probabilities. A regressor suits every outcome. Other estimators
    suit none: a clustering, for example, predicts the number of a cluster.
    """
    from sklearn.base import is_classifier, is_regressor

    estimator = create_estimator(recipe)
    try:
        does_classify, does_regress = is_classifier(estimator), is_regressor(estimator)
    except AttributeError as error:  # such as SelfTrainingClassifier, which asks the estimator that it wraps
        raise ModelError(
            f"The estimator {recipe.estimator} wraps another estimator, which params can't name. Declare one that"
            f" learns by itself, such as {EXAMPLES[kpi.outcome_type]}."
        ) from error
    if does_regress:
        return
    if not does_classify:
        raise ModelError(
            f"The estimator {recipe.estimator} is neither a classifier nor a regressor, so it doesn't predict the"
            f" outcome. Declare one that is, such as {EXAMPLES[kpi.outcome_type]}."
        )
    if kpi.outcome_type == "number" and recipe.target is None:
        raise ModelError(
            f"The estimator {recipe.estimator} is a classifier, but kpi.outcome_type is number. Declare a regressor,"
            f" such as {EXAMPLES['number']}."
        )
    if not hasattr(estimator, "predict_proba"):
        raise ModelError(
            f"The estimator {recipe.estimator} predicts no probabilities, so an action has no expected payoff."
            f" Declare a classifier with predict_proba, such as {EXAMPLES['binary']}, or a regressor."
        )
