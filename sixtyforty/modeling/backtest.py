"""Walk-forward: what a model was worth on the days after those it learned from. Blocks are cached by version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.modeling.gate import Judgement, judge
from sixtyforty.modeling.model_store import ModelStore, plan, recipes, rows, schedule
from sixtyforty.modeling.monotone_constraints import broken
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import Ledger, Row
from sixtyforty.storage.lake import Lake, canonical, digest, side_by_side, versions, write_atomic
from sixtyforty.value.lift import Day, day
from sixtyforty.value.policy import Policy


def block(use_case: UseCase, lake: Lake, store: ModelStore, version: str, first: date, end: date) -> list[Day]:
    """The value of a model version on the days [first, end), none of which it learned from.

    Outcomes count as known at the start of `end`. Raises ValueError for a day the model has seen.
    """
    card = store.card(version)
    if first < date.fromisoformat(card["as_of"]):
        raise ValueError(f"{version} learned from days after {first}: no model is scored on rows it trained on")
    window = use_case.deciding(use_case.between(first, end))
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
        return [Day(**d) for d in json.loads(cached.read_bytes())]
    if not features or not outcomes:
        return []
    frame = rows(use_case, lake, features, outcomes, str(use_case.starts(end))).to_pandas()
    frame["action"] = policy.take(frame, store.load(version).score(frame)).action
    found = [
        day(use_case.kpi, str(p), g, g[use_case.kpi.outcome].to_numpy(float))
        for p, g in frame.groupby("_partition", sort=True)
    ]
    write_atomic(cached, canonical([d.__dict__ for d in found]).encode())
    return found


def folds(use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> list[tuple[str, date, date]]:
    """(version, first, end) of the walk-forward blocks before `as_of`: each month by its own month's model."""
    starts = [d for d in schedule(use_case, as_of) if d < as_of]
    found = [(trained(use_case, lake, store, recipe, a), a, b) for a, b in pairwise([*starts, as_of])]
    return [(version, a, b) for version, a, b in found if version]


def trained(use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> str | None:
    """The recipe's model of a training day: of the declared recipe, the one on today's data; of another, the last."""
    model = recipes(use_case).get(recipe)
    if model is not None:
        try:
            version = plan(use_case, lake, as_of, model).version
        except ModelError:  # nothing to learn from yet on that day
            return None
        return version if store.has(version, "model.skops") else None
    have = [v for v in store.versions() if v.startswith(f"{as_of}-") and store.has(v, "model.skops")]
    return next((v for v in reversed(have) if store.card(v)["recipe_version"] == recipe), None)


def walk_forward(use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> list[Day]:
    """Days before `as_of`, each valued with the recipe's model that was trained before it."""
    every = folds(use_case, lake, store, recipe, as_of)
    return [d for days in side_by_side(lambda fold: block(use_case, lake, store, *fold), every) for d in days]


def worth(use_case: UseCase, lake: Lake, store: ModelStore, as_of: date) -> dict[str, float]:
    """Value per 1,000 of each recipe (by hash) on its walk-forward days before `as_of`, the best first.

    Of equal ones the first declared. Those trained on no such day are left out; all are on the same days.
    """
    found = {
        r: walk_forward(use_case, lake, store, r, as_of)
        for r in recipes(use_case)
        if trained(use_case, lake, store, r, as_of)
    }
    common = set.intersection(*({d.partition for d in days} for days in found.values())) if found else set()
    per = {r: metrics([d for d in days if d.partition in common])["model"] for r, days in found.items()}
    return dict(sorted(((r, v) for r, v in per.items() if v is not None), key=lambda x: -x[1]))


def in_turn(
    use_case: UseCase, lake: Lake, store: ModelStore, ledger: Ledger, track: str, as_of: date
) -> list[tuple[str, str]]:
    """The challengers of a training day, (version, why it), in the order they are judged.

    That of the recipe worth most, and, where the champion's recipe is another one, that recipe's after it.
    """
    declared = list(recipes(use_case))
    valued = worth(use_case, lake, store, as_of) if len(declared) > 1 else {}
    first = next(iter(valued), declared[0])
    why = ""
    if valued:
        ranked = ", ".join(f"{recipe_name(use_case, r)} {v:,.0f}" for r, v in valued.items())
        why = f"worth most of the candidates, per 1,000: {ranked}"
    champion = ledger.champion(track, use_case.starts(as_of))
    current = store.card(champion.version)["recipe_version"] if champion else first
    order = dict.fromkeys([first, *([current] if current in declared else [])])
    found = [(trained(use_case, lake, store, r, as_of), why if r == first else "the champion's recipe") for r in order]
    return [(version, why) for version, why in found if version]


def best_recipe(use_case: UseCase, lake: Lake, store: ModelStore, as_of: date) -> str:
    """The recipe (hash) worth most before `as_of`; the declared model where there is nothing to choose, or to go by."""
    declared = list(recipes(use_case))
    return next(iter(worth(use_case, lake, store, as_of)), declared[0]) if len(declared) > 1 else declared[0]


def recipe_name(use_case: UseCase, recipe: str) -> str:
    """What a declared recipe is called: `model`, or the candidate's name."""
    names = dict(zip(recipes(use_case), ["model", *use_case.model.candidates], strict=False))
    return names.get(recipe, recipe)


def assess(use_case: UseCase, lake: Lake, store: ModelStore, ledger: Ledger, track: str, version: str) -> Judgement:
    """Puts a challenger through the gate, against the champion in force when its training day began."""
    card = store.card(version)
    as_of = date.fromisoformat(card["as_of"])
    champion = ledger.champion(track, use_case.starts(as_of))
    window = len(card["data"]["features"]) + len(card["missing_days"])
    mine = walk_forward(use_case, lake, store, card["recipe_version"], as_of)
    if champion is None:
        return judge(use_case.gate, "first", len(card["missing_days"]) / window, mine, None)
    theirs = store.card(champion.version)
    if theirs["recipe_version"] != card["recipe_version"]:
        current = walk_forward(use_case, lake, store, theirs["recipe_version"], as_of)
        return judge(use_case.gate, "recipe", len(card["missing_days"]) / window, mine, None, current)
    last = folds(use_case, lake, store, card["recipe_version"], as_of)[-1:]
    latest = None
    if last and date.fromisoformat(theirs["as_of"]) <= last[0][1]:
        _, first, end = last[0]
        latest = (
            block(use_case, lake, store, last[0][0], first, end),
            block(use_case, lake, store, champion.version, first, end),
        )
    return judge(use_case.gate, "refresh", len(card["missing_days"]) / window, mine, latest)


def promote(
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
        turns = in_turn(use_case, lake, store, ledger, track, as_of)
        if not turns:
            raise ValueError(f"{use_case.name}: no challenger was trained as of {as_of}: materialize challenger")
        for version, why in turns:
            found = assess(use_case, lake, store, ledger, track, version)
            verdict, reasons = found.verdict, [*found.reasons, *([why] if why else [])]
            reasons += ["these figures are assumed"] if assumed else []
            refused = _refused(lake, store.card(version))
            if refused:
                verdict, reasons = "REJECT", [f"it learned from what governance refused: {', '.join(refused[:5])}"]
            breaks = broken(use_case.model.monotone_constraints, store, version)
            if breaks:
                verdict, reasons = "REJECT", breaks
            live = track == "live" and moment is not None
            if live and verdict == "PROMOTE" and use_case.automation.approval == "required":
                verdict = "PENDING"
            start = moment.isoformat(timespec="seconds") if live and moment else use_case.starts(as_of).isoformat()
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


def metrics(days: Sequence[Day]) -> dict[str, Any]:
    """Value per 1,000 decisions of each policy: what the recipe in dvc.yaml writes as its metrics."""
    n = sum(d.decisions for d in days)
    names = ("model", "current_process", "random_choice", "perfect_foresight")
    return {"decisions": n} | {p: round(1000 * sum(getattr(d, p) for d in days) / n, 4) if n else None for p in names}
