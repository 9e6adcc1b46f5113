"""Find the stored models that an edited declaration can use, and judge them by the gate, in a scratch copy.

A veto doesn't change what a model learns, but the name of a model version is a hash that includes the vetoes. After an
edit of a veto, each version has a new name. The model that is stored under the earlier name can still be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from sixtyforty.lifecycle.replay_rebuild import judge_rebuild
from sixtyforty.modeling import training_plan
from sixtyforty.modeling.backtest import find_trained_version
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_store import CARD, MODEL, TRAINING_SET
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.training_plan import TrainingPlan
from sixtyforty.spec.recipe import Model
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace


def plan_models(ws: Workspace) -> list[TrainingPlan]:
    """Return the plans of all trainings of the replay, one for each training day and declared recipe.

    Training days without training data, or with leakage in the data, are left out.
    """
    partitions = ws.lake.partitions("features")
    if not partitions:
        return []
    plans = []
    for day in training_plan.training_days(ws.use_case, ws.use_case.first_day(partitions[-1])):
        for recipe in training_plan.declared_recipes(ws.use_case).values():
            try:
                plans.append(training_plan.plan_training(ws.use_case, ws.lake, day, recipe))
            except ModelError:  # too early, or the features of the training window have leakage
                continue
    return plans


def reuse_models(scratch: Workspace) -> list[TrainingPlan]:
    """Store each model that the edit doesn't affect under its new version. Return the plans that lack a model.

    A model gets a new version, for example, if only its vetoes were edited. A plan whose training set has no rows needs
    no model. scratch: a scratch copy, in which the model cards are written.
    """
    store, missing = scratch.models, []
    for plan in plan_models(scratch):
        if store.has(plan.version, MODEL):
            continue
        card = _find_equal_fit(scratch, plan)
        if card is None:
            missing.append(plan)
            continue
        for file in card.files:
            _link_file(store.folder(card.version) / file, store.folder(plan.version) / file)
        renamed = replace(
            card,
            version=plan.version,
            recipe=Model(**plan.model.to_recipe()),
            recipe_version=plan.recipe,
            libraries=library_versions(),
        )
        write_atomic(store.folder(plan.version) / CARD, renamed.to_json())
    return missing


def _find_equal_fit(ws: Workspace, plan: TrainingPlan) -> ModelCard | None:
    """Return the card of a stored model with the planned training data and recipe (vetoes may differ), or None."""
    for version in ws.models.versions():
        if version.startswith(f"{plan.as_of}-"):
            card = ws.models.card(version)
            same_recipe = _without_vetoes(card.recipe.to_recipe()) == _without_vetoes(plan.model.to_recipe())
            same_features = card.recipe_version == training_plan.hash_recipe(ws.use_case, card.recipe)
            is_complete = MODEL in card.files or (TRAINING_SET in card.files and not card.rows)
            if card.data_version == plan.data_version and same_recipe and same_features and is_complete:
                return card
    return None


def _link_file(source: StoragePath, target: StoragePath) -> None:
    assert isinstance(source, Path) and isinstance(target, Path), "a scratch copy is a folder"
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        target.symlink_to(source)


def _without_vetoes(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {field: content for field, content in recipe.items() if field != "vetoes"}


def judge_models(scratch: Workspace, first: str) -> list[ChampionRow]:
    """Let the gate judge the challengers of the replay again, from partition `first` on. Return the new ledger rows."""
    days = [day for day in _days_with_model(scratch) if day >= scratch.use_case.replay.first_day]
    return judge_rebuild(scratch, days, first)


def _days_with_model(ws: Workspace) -> list[date]:
    recipes = training_plan.declared_recipes(ws.use_case)
    days = sorted({plan.as_of for plan in plan_models(ws)})
    stores = (ws.use_case, ws.lake, ws.models)
    return [day for day in days if any(find_trained_version(*stores, recipe, day) for recipe in recipes)]
