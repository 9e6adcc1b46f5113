"""Walk-forward: what a model was worth on the days after those it learned from. Blocks are cached by version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.modeling.gate import Judgement, judge
from sixtyforty.modeling.model_store import (
    ModelStore,
    declared_recipes,
    plan_training,
    read_training_rows,
    training_days,
)
from sixtyforty.modeling.monotone_constraints import find_broken_constraints
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import Ledger, Row
from sixtyforty.storage.lake import Lake, canonical, digest, side_by_side, versions, write_atomic
from sixtyforty.value.lift import DailyValue, value_of_day
from sixtyforty.value.policy import Policy


def score_block(
    use_case: UseCase, lake: Lake, store: ModelStore, version: str, first: date, end: date
) -> list[DailyValue]:
    """The value of a model version on the days [first, end), none of which it learned from.

    Outcomes count as known at the start of `end`. Raises ValueError for a day the model has seen.
    """
    card = store.card(version)
    if first < date.fromisoformat(card["as_of"]):
        raise ValueError(f"{version} learned from days after {first}: no model is scored on rows it trained on")
    window = use_case.decision_partitions(use_case.starting_between(first, end))
    features, outcomes = lake.entries("features", window), lake.entries("outcomes", window)
    policy = Policy.of(use_case)
    seen = digest(
        {
            "model": card["files"]["model.skops"],
            "f": versions(features),
            "o": versions(outcomes),
            "policy": policy.plain,
        }
    )
    cached = lake.root / "backtest" / version / f"{first}_{end}_{seen}.json"
    if cached.exists():
        return [DailyValue(**d) for d in json.loads(cached.read_bytes())]
    if not features or not outcomes:
        return []
    frame = read_training_rows(use_case, lake, features, outcomes, str(use_case.day_start(end))).to_pandas()
    frame["action"] = policy.take(frame, store.load(version).score(frame)).action
    found = [
        value_of_day(use_case.kpi, str(p), g, g[use_case.kpi.outcome].to_numpy(float))
        for p, g in frame.groupby("_partition", sort=True)
    ]
    write_atomic(cached, canonical([d.__dict__ for d in found]).encode())
    return found


def list_folds(
    use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date
) -> list[tuple[str, date, date]]:
    """(version, first, end) of the walk-forward blocks before `as_of`: each month by its own month's model."""
    starts = [d for d in training_days(use_case, as_of) if d < as_of]
    found = [(find_trained_version(use_case, lake, store, recipe, a), a, b) for a, b in pairwise([*starts, as_of])]
    return [(version, a, b) for version, a, b in found if version]


def find_trained_version(use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> str | None:
    """The recipe's model of a training day: of the declared recipe, the one on today's data; of another, the last."""
    model = declared_recipes(use_case).get(recipe)
    if model is not None:
        try:
            version = plan_training(use_case, lake, as_of, model).version
        except ModelError:  # nothing to learn from yet on that day
            return None
        return version if store.has(version, "model.skops") else None
    have = [v for v in store.versions() if v.startswith(f"{as_of}-") and store.has(v, "model.skops")]
    return next((v for v in reversed(have) if store.card(v)["recipe_version"] == recipe), None)


def run_walk_forward(use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> list[DailyValue]:
    """Days before `as_of`, each valued with the recipe's model that was trained before it."""
    every = list_folds(use_case, lake, store, recipe, as_of)
    return [d for days in side_by_side(lambda fold: score_block(use_case, lake, store, *fold), every) for d in days]


def value_by_recipe(use_case: UseCase, lake: Lake, store: ModelStore, as_of: date) -> dict[str, float]:
    """Value per 1,000 of each recipe (by hash) on its walk-forward days before `as_of`, the best first.

    Of equal ones the first declared. Those trained on no such day are left out; all are on the same days.
    """
    found = {
        r: run_walk_forward(use_case, lake, store, r, as_of)
        for r in declared_recipes(use_case)
        if find_trained_version(use_case, lake, store, r, as_of)
    }
    common = set.intersection(*({d.partition for d in days} for days in found.values())) if found else set()
    per = {r: value_metrics([d for d in days if d.partition in common])["model"] for r, days in found.items()}
    return dict(sorted(((r, v) for r, v in per.items() if v is not None), key=lambda x: -x[1]))


def challengers_in_order(
    use_case: UseCase, lake: Lake, store: ModelStore, ledger: Ledger, track: str, as_of: date
) -> list[tuple[str, str]]:
    """The challengers of a training day, (version, why it), in the order they are judged.

    That of the recipe worth most, and, where the champion's recipe is another one, that recipe's after it.
    """
    declared = list(declared_recipes(use_case))
    valued = value_by_recipe(use_case, lake, store, as_of) if len(declared) > 1 else {}
    first = next(iter(valued), declared[0])
    why = ""
    if valued:
        ranked = ", ".join(f"{recipe_name(use_case, r)} {v:,.0f}" for r, v in valued.items())
        why = f"worth most of the candidates, per 1,000: {ranked}"
    champion = ledger.champion(track, use_case.day_start(as_of))
    current = store.card(champion.version)["recipe_version"] if champion else first
    order = dict.fromkeys([first, *([current] if current in declared else [])])
    found = [
        (find_trained_version(use_case, lake, store, r, as_of), why if r == first else "the champion's recipe")
        for r in order
    ]
    return [(version, why) for version, why in found if version]


def find_best_recipe(use_case: UseCase, lake: Lake, store: ModelStore, as_of: date) -> str:
    """The recipe (hash) worth most before `as_of`; the declared model where there is nothing to choose, or to go by."""
    declared = list(declared_recipes(use_case))
    return next(iter(value_by_recipe(use_case, lake, store, as_of)), declared[0]) if len(declared) > 1 else declared[0]


def recipe_name(use_case: UseCase, recipe: str) -> str:
    """What a declared recipe is called: `model`, or the candidate's name."""
    names = dict(zip(declared_recipes(use_case), ["model", *use_case.model.alternatives], strict=False))
    return names.get(recipe, recipe)


def assess(use_case: UseCase, lake: Lake, store: ModelStore, ledger: Ledger, track: str, version: str) -> Judgement:
    """Puts a challenger through the gate, against the champion in force when its training day began."""
    card = store.card(version)
    as_of = date.fromisoformat(card["as_of"])
    champion = ledger.champion(track, use_case.day_start(as_of))
    window = len(card["data"]["features"]) + len(card["missing_days"])
    mine = run_walk_forward(use_case, lake, store, card["recipe_version"], as_of)
    if champion is None:
        return judge(use_case.gate, "first", len(card["missing_days"]) / window, mine, None)
    theirs = store.card(champion.version)
    if theirs["recipe_version"] != card["recipe_version"]:
        current = run_walk_forward(use_case, lake, store, theirs["recipe_version"], as_of)
        return judge(use_case.gate, "recipe", len(card["missing_days"]) / window, mine, None, current)
    last = list_folds(use_case, lake, store, card["recipe_version"], as_of)[-1:]
    latest = None
    if last and date.fromisoformat(theirs["as_of"]) <= last[0][1]:
        _, first, end = last[0]
        latest = (
            score_block(use_case, lake, store, last[0][0], first, end),
            score_block(use_case, lake, store, champion.version, first, end),
        )
    return judge(use_case.gate, "refresh", len(card["missing_days"]) / window, mine, latest)


def promote_challengers(
    use_case: UseCase,
    lake: Lake,
    store: ModelStore,
    ledger: Ledger,
    track: str,
    as_ofs: Sequence[date],
    moment: datetime | None = None,
) -> list[Row]:
    """Judges the challengers of these days in order, each against the champion the one before left in force.

    A promotion counts from the start of its training day; live, from `moment` (UTC) on, and where an approval is
    required it waits for that. What it learned from is looked at again: whatever run this is, governance accepted it.
    """
    judged, assumed = [], kpi_ledger.label(use_case, "replay") == "assumed"  # walking forward relives the past
    for as_of in sorted(as_ofs):
        turns = challengers_in_order(use_case, lake, store, ledger, track, as_of)
        if not turns:
            raise ValueError(f"{use_case.name}: no challenger was trained as of {as_of}: materialize challenger")
        for version, why in turns:
            found = assess(use_case, lake, store, ledger, track, version)
            verdict, reasons = found.verdict, [*found.reasons, *([why] if why else [])]
            reasons += ["these figures are assumed"] if assumed else []
            refused = _refused(lake, store.card(version))
            if refused:
                verdict, reasons = "REJECT", [f"it learned from what governance refused: {', '.join(refused[:5])}"]
            breaks = find_broken_constraints(use_case.model.monotone_constraints, store, version)
            if breaks:
                verdict, reasons = "REJECT", breaks
            live = track == "live" and moment is not None
            if live and verdict == "PROMOTE" and use_case.automation.approval == "required":
                verdict = "PENDING"
            start = moment.isoformat(timespec="seconds") if live and moment else use_case.day_start(as_of).isoformat()
            judged.append(
                ledger.append(
                    track=track,
                    version=version,
                    verdict=verdict,
                    kind=found.kind,
                    as_of=as_of.isoformat(),
                    effective_from=start,
                    reasons=reasons,
                    evidence=found.evidence,
                )
            )
            if verdict in ("PROMOTE", "PENDING"):
                break
    return judged


def _refused(lake: Lake, card: dict[str, Any]) -> list[str]:
    """The training partitions whose features governance didn't accept in the version learned from."""
    found = []
    for partition, version in card["data"]["features"].items():
        now = lake.entry("features", partition)
        entry = now if now is not None and now.version == version else lake.past(version)
        if entry is None or not entry.facts["verdict"]["accepted"]:
            found.append(partition)
    return found


def value_metrics(days: Sequence[DailyValue]) -> dict[str, Any]:
    """Value per 1,000 decisions of each policy: what the recipe in dvc.yaml writes as its metrics."""
    n = sum(d.decisions for d in days)
    names = ("model", "current_process", "random_choice", "perfect_foresight")
    return {"decisions": n} | {p: round(1000 * sum(getattr(d, p) for d in days) / n, 4) if n else None for p in names}
