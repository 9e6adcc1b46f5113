"""Explain a decision in business terms: name the features that changed the expected outcome most.

Here a fact is a unit's value of a feature. Each fact is replaced in turn by its typical value: the median, or the most
frequent value, of the training set. The more the expected outcome changes, the more important the fact is.
`model.reasons` declares a text for each feature. A fact that is unknown, or has no text, isn't mentioned.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.column_labels import read_labels
from sixtyforty.decisions.decision_table import StoredDecision, decisions_dataset, read_decisions
from sixtyforty.decisions.entry_versions import entry_at_version
from sixtyforty.modeling.model_store import TRAINING_SET
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.sql import identifiers
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.policy import BEST_REASON
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

FeatureValue = float | str | bool | datetime
MAX_FACTS = 3  # the largest number of facts that explain a decision
MIN_CHANGE = 0.005  # a fact that changes a probability by less than half a percentage point isn't mentioned
INPUTS_CORRECTED = "The inputs of this decision were corrected later. The decision stays as it was taken."
PLACEHOLDER = re.compile(r"\{value[^{}]*\}")
# A placeholder with its unit: the next word, unless the word only continues the sentence.
WITH_UNIT = re.compile(
    r"\{value[^{}%]*\}(?: (?!(?:of|in|at|on|and|or|than|above|below|from)\b)[^\s{}]+)?|\{value[^{}]*\}"
)
NOTHING_UNUSUAL = "Nothing that is known about this unit is unusual."
MODEL_UNREADABLE = "The model's files can't be read, so the features that mattered for this decision aren't known."


def explain_decisions(ws: Workspace, partition: str, track: Track, decision_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return for each decision id the sentences that explain it: up to MAX_FACTS facts, the most important first.

    All decisions must be of the partition; unknown ids are left out. If a rule or the current process decided, the
    first sentence gives the reason. Held-out units get no facts. With facts, people could treat these units
    differently, and the comparison with the model would no longer be fair.
    """
    decisions = read_decisions(ws, partition, track, decision_ids)
    sentences = {d.decision_id: [] if d.reason == BEST_REASON else [_sentence(d.reason)] for d in decisions}
    by_version: dict[tuple[str, str], list[StoredDecision]] = {}
    for decision in decisions:
        champion = decision.champion_version
        if champion is not None and decision.expected is not None and decision.decided_by not in HELD_OUT:
            by_version.setdefault((champion, decision.data_version), []).append(decision)
    for (model_version, data_version), same_versions in by_version.items():
        rows = _read_features(ws, partition, track, data_version, same_versions)
        facts = [[INPUTS_CORRECTED]] * len(same_versions)
        if rows is not None:
            facts = _explain_known(ws, model_version, rows.assign(action=[d.action for d in same_versions]))
        for decision, facts_of_decision in zip(same_versions, facts, strict=True):
            sentences[decision.decision_id] += facts_of_decision
    return sentences


def _explain_known(ws: Workspace, version: str, rows: pd.DataFrame) -> list[list[str]]:
    """Return the most important facts behind each decision, or a note that the model's files can't be read."""
    try:
        return explain_rows(ws, version, rows)
    except (ModelError, FileNotFoundError):  # the doctor and the alerts name the file; the decision stays readable
        return [[MODEL_UNREADABLE]] * len(rows)


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."


def explain_rows(ws: Workspace, version: str, rows: pd.DataFrame) -> list[list[str]]:
    """Return, for each row, sentences about the facts that change a model's expected outcome most.

    version: the model version. rows: features, and `action` if the expected outcome depends on the action.
    """
    import numpy as np

    kpi, words, labels = ws.use_case.kpi, ws.use_case.model.reasons, read_labels(ws)
    typical, changes = _expected_changes(ws, version, rows)
    min_change = MIN_CHANGE if kpi.outcome_type == "binary" else 0.0
    no_facts = [NOTHING_UNUSUAL] if words else []
    features = list(changes)
    matrix = np.array([changes[feature] for feature in features]).reshape(len(features), len(rows))
    most_important = np.argsort(-np.abs(matrix), axis=0, kind="stable")[:MAX_FACTS]
    sentences = []
    for row, order in enumerate(most_important.T):
        facts = [(features[position], matrix[position, row]) for position in order]
        described = [
            (change, _describe_fact(words[name], labels.text(name, rows[name].iloc[row]), typical[name]))
            for name, change in facts
            if change and abs(change) >= min_change
        ]
        sentences.append(
            [f"{describe_effect(kpi, change)}: {fact.removesuffix('.')}." for change, fact in described] or no_facts
        )
    return sentences


def _describe_fact(text: str, fact: object, typical: FeatureValue) -> str:
    """Return the declared text of a feature with the feature's value, and the typical value if it is another number."""
    described = _fill_in(text, fact)
    quantities = WITH_UNIT.findall(text)
    if len(quantities) != 1 or isinstance(fact, str) or isinstance(typical, (str, bool, datetime)):
        return described
    if not math.isfinite(typical):
        return described
    usual = _fill_in(quantities[0], typical).rstrip(",;.")
    return described if usual in described else f"{described} (usually {usual})"


def _fill_in(text: str, fact: object) -> str:
    """Return a declared text with a value in place of `{value}`.

    If the declared format, such as the `.0%` in `{value:.0%}`, doesn't suit the value, the value is shown unformatted.
    """
    try:
        return text.format(value=fact)
    except (ValueError, TypeError):
        return PLACEHOLDER.sub(lambda _: str(fact), text)


def describe_effect(kpi: Kpi, change: float) -> str:
    """Describe a change of the expected outcome in words, such as `Raises the risk`."""
    verb = "Raises" if change > 0 else "Lowers"
    if kpi.outcome_type == "number":
        return f"{verb} the expected {kpi.outcome_name}"
    valued = kpi.treatment or kpi.holdout
    is_gain = valued is not None and (valued.value_per_outcome or 0) > 0
    return f"{verb} the chance" if is_gain else f"{verb} the risk"


def _expected_changes(
    ws: Workspace, version: str, rows: pd.DataFrame
) -> tuple[Mapping[str, FeatureValue], dict[str, NDArray[np.float64]]]:
    """Return the typical value of each feature with a text in `model.reasons`, and the feature's effect, shape (rows,).

    The effect is the expected outcome minus the expected outcome with the feature's typical value. An unknown value has
    the effect 0.
    """
    kpi, model = ws.use_case.kpi, ws.models.load(version)
    features = [feature for feature in ws.use_case.model.reasons if feature in model.features]
    typical = typical_values(ws.models.folder(version) / TRAINING_SET, tuple(features))
    payoffs, actions = build_payoffs(kpi, rows), rows["action"].tolist() if "action" in rows else []

    def expected(known: pd.DataFrame) -> NDArray[np.float64]:
        return payoffs.expected_outcomes(model.predict(known), actions)

    as_known = expected(rows)
    changes = {}
    for feature in features:
        change = as_known - expected(rows.assign(**{feature: typical[feature]}))
        change[rows[feature].isna().to_numpy()] = 0.0
        changes[feature] = change
    return typical, changes


@lru_cache(maxsize=32)
def typical_values(training_set: StoragePath, columns: tuple[str, ...]) -> Mapping[str, FeatureValue]:
    """Return the typical value of each column of a training set: the median of numbers, else the most frequent value.

    Of equally frequent values, the smallest is returned. A column without a known value gives NaN. The returned values
    can be cached, because a version's training set never changes.
    """
    import pandas as pd

    rows = pd.read_parquet(io.BytesIO(training_set.read_bytes()), columns=list(columns))
    typical: dict[str, FeatureValue] = {}
    for column in rows:
        known = rows[column].dropna()
        if known.empty:
            typical[str(column)] = math.nan
        elif pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
            typical[str(column)] = known.median()
        else:
            typical[str(column)] = known.mode().iloc[0]
    return typical


def _read_features(
    ws: Workspace, partition: str, track: Track, version: str, decisions: Sequence[StoredDecision]
) -> pd.DataFrame | None:
    """Return the features that decisions were taken on, one row for each decision, in the order of the decisions.

    Only these rows are read, so the size of the partition doesn't matter. Return None if that version of the features
    is no longer stored.
    """
    entry = entry_at_version(ws, "features", partition, version)
    if entry is None or not ws.lake.local_file(entry).exists():
        return None
    key = identifiers(ws.use_case.decision.key)
    taken = ws.lake.entries(decisions_dataset(track), [partition])
    ids = [decision.decision_id for decision in decisions]
    with ws.lake.open_session(ws.use_case.timezone) as db:
        return db.execute(
            f"""with explained as (
                select unnest(?::varchar[]) as _id, generate_subscripts(?::varchar[], 1) as _position)
            select f.* exclude (_partition) from {ws.lake.select_rows([entry])} f
            join (select {key}, _position from {ws.lake.select_rows(taken.values())}
                join explained on decision_id = _id) using ({key}) order by _position""",
            [ids, ids],
        ).df()
