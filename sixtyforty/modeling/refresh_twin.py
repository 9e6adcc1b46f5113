"""Compare a refresh with the champion on days from which neither model learned.

A refresh has learned from all days with known outcomes, so it can't be valued on any of them. A twin can: a model of
the same recipe, on the same versions of the data, trained about halfway between the champion's training and the newest
known outcome. Both are valued on the days after the twin's training.

- If a stored model was trained near the middle, it is the twin. With a retraining each month, that is last month's
  model, and the champion of the month before is compared.
- The champion in force is tried first, then earlier champions of the recipe. If the champion is younger than
  YOUNGEST_CHAMPION_DAYS, as with a retraining each night, no half of its age is long enough.
- If no champion has a stored twin, as after a change of the data, one model is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from sixtyforty.modeling.backtest import find_trained_version, score_days
from sixtyforty.modeling.model_files import find_file_problem
from sixtyforty.modeling.model_store import MODEL, TRAINING_SET, ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.trainer import train_models
from sixtyforty.modeling.training_plan import declared_recipes, plan_training
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Lake
from sixtyforty.value.daily_value import DailyValue

COMPARED_DAYS = 8  # smallest number of days on which twin and champion are compared
YOUNGEST_CHAMPION_DAYS = (
    2 * COMPARED_DAYS
)  # smallest number of days from the champion's training to the newest known outcome
EARLIER_CHAMPION_DAYS = 30  # age of an earlier champion from which its half is long enough to show a lost gain
OLDEST_CHAMPION_DAYS = 62  # earlier champions are considered if they were trained at most so many days ago
STEP_DAYS = 7  # the middle moves in steps, so that a retraining each night doesn't train a twin each night


@dataclass(frozen=True)
class TwinComparison:
    """The value of a refresh's twin and of a champion on each day after the twin's training.

    twin_version, champion_version: the compared models.
    """

    twin: Sequence[DailyValue]
    champion: Sequence[DailyValue]
    twin_version: str = ""
    champion_version: str = ""


def compare_with_twin(
    use_case: UseCase,
    lake: Lake,
    store: ModelStore,
    recipe: str,
    as_of: date,
    champions: Sequence[str],
    known: Sequence[DailyValue],
) -> TwinComparison | None:
    """Return what the twin of a refresh and a champion are worth on the days after the twin's training.

    Trains the twin if no stored model can be it. Return None if there is nothing to compare.

    - recipe, as_of: those of the refresh.
    - champions: the versions that were promoted before `as_of`. The champion in force, which has the recipe, comes
      first. Earlier champions follow, the newest first.
    - known: daily values of the recipe's backtest. They name the days with known outcomes.
    """
    known_days = sorted({use_case.first_day(day.partition) for day in known if day.decisions})
    if not known_days:
        return None
    search = _TwinSearch(use_case, lake, store, recipe, known_days)
    pair = search.find_pair(champions)
    if pair is None:
        return None
    twin, champion = pair
    days = store.card(twin).as_of, search.end, as_of
    return TwinComparison(
        score_days(use_case, lake, store, twin, *days),
        score_days(use_case, lake, store, champion, *days),
        twin,
        champion,
    )


def list_candidates(first_days: Sequence[date], end: date) -> list[tuple[int, date]]:
    """Return the position and the middle of each champion that can be compared, the best one first.

    first_days: the days on which the champions were trained, the champion in force first. The middle is the day about
    halfway from a champion's training to `end`, the day after the newest one with a known outcome. The champion in
    force is the best one. Earlier champions of at least EARLIER_CHAMPION_DAYS follow, the youngest of them first, and
    then younger ones, the oldest first.
    """
    ages = [(end - first).days for first in first_days]
    positions = [
        position
        for position, age in enumerate(ages)
        if age >= YOUNGEST_CHAMPION_DAYS and (position == 0 or age <= OLDEST_CHAMPION_DAYS)
    ]
    missing = [EARLIER_CHAMPION_DAYS - age for age in ages]
    positions.sort(key=lambda position: (position > 0, missing[position] > 0, abs(missing[position])))
    return [
        (position, first_days[position] + timedelta(days=STEP_DAYS * (ages[position] // (2 * STEP_DAYS))))
        for position in positions
    ]


def list_days_near(first: date, middle: date, end: date) -> list[date]:
    """Return the days that are near enough to the middle of a champion's age, the nearest first.

    first: the day on which the champion was trained.
    """
    distance = (end - first).days // 4
    return [middle + timedelta(days=offset) for offset in sorted(range(-distance, distance + 1), key=abs)]


class _TwinSearch:
    """The search for a twin of a refresh. `end`: the day after the newest day with known outcomes."""

    def __init__(
        self, use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, known_days: Sequence[date]
    ) -> None:
        self.use_case, self.lake, self.store, self.recipe = use_case, lake, store, recipe
        self.known_days, self.end = known_days, known_days[-1] + timedelta(days=1)
        self._days_with_model = {version[:10] for version in store.versions()}
        self._version_of_day: dict[date, str | None] = {}

    def find_pair(self, champions: Sequence[str]) -> tuple[str, str] | None:
        """Return the twin of a refresh and the champion to compare it with; None if there are none.

        A model is trained only if no champion has a stored twin, and then for the best champion.
        """
        without_twin = []
        for position, middle in list_candidates([_day_of(champion) for champion in champions], self.end):
            champion = champions[position]
            if position == 0 or self.is_comparable(champion):
                if twin := self.find_stored_twin(champion, middle):
                    return twin, champion
                if self._has_enough_days(middle):
                    without_twin.append((champion, middle))
        for champion, middle in without_twin[:1]:
            if twin := self.train_twin(middle):
                return twin, champion
        return None

    def find_stored_twin(self, champion: str, middle: date) -> str | None:
        """Return the version of the recipe's stored model that was trained nearest to the middle, or None."""
        days = list_days_near(_day_of(champion), middle, self.end)
        versions = (self._stored_version(day) for day in days if self._has_enough_days(day))
        return next((version for version in versions if version), None)

    def _stored_version(self, day: date) -> str | None:
        if day.isoformat() not in self._days_with_model:
            return None
        if day not in self._version_of_day:
            version = find_trained_version(self.use_case, self.lake, self.store, self.recipe, day)
            self._version_of_day[day] = version if version and self._has_learned_enough(version) else None
        return self._version_of_day[day]

    def _has_enough_days(self, middle: date) -> bool:
        return sum(day >= middle for day in self.known_days) >= COMPARED_DAYS

    def _has_learned_enough(self, version: str) -> bool:
        return self.store.card(version).rows >= self.use_case.gate.min_training_rows

    def is_comparable(self, champion: str) -> bool:
        """Return whether an earlier champion has the recipe and sound files. Without it, the gate can still judge."""
        if find_file_problem(self.use_case.first_name, self.lake, self.store, champion):
            return False
        return self.store.card(champion).recipe_version == self.recipe

    def train_twin(self, day: date) -> str | None:
        """Train a model of the recipe on a day. Return its version; None if it can't learn from enough rows."""
        model = declared_recipes(self.use_case).get(self.recipe)
        if model is None:
            return None
        with suppress(ModelError):  # no training data, or features with leakage
            plan = plan_training(self.use_case, self.lake, day, model)
            if not self.store.has(plan.version, TRAINING_SET):
                self.store.write_training_set(self.use_case, self.lake, plan)
            if not self._has_learned_enough(plan.version):
                return None
            if not self.store.has(plan.version, MODEL):
                list(train_models(self.store, self.use_case.kpi, [plan.version]))
            return plan.version
        return None


def _day_of(version: str) -> date:
    """Return the training day with which the version of a model begins."""
    return date.fromisoformat(version[:10])
