"""Read what the list of decisions shows about each unit: the label and the facts that `decision_list` declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sixtyforty.decisions.column_labels import read_labels
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.modeling.declared_sql import list_expressions
from sixtyforty.modeling.lineage import feature_window, read_inputs
from sixtyforty.modeling.point_in_time import open_inputs
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.track import Track
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class ListedUnit:
    """What people read about a unit. label: empty if none is declared. facts: by name; TIMESTAMPs are UTC, naive."""

    label: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def list_inputs(ws: Workspace, partition: str) -> dict[str, dict[str, Entry]]:
    """Return the manifests from which a partition's units are listed, as {source: {partition: manifest}}.

    If the units are rows of a source, only this source is read. If `units.sql` returns the units, all inputs are read.
    """
    use_case = ws.use_case
    name = use_case.decision.unit_source
    if name is None:
        return read_inputs(use_case, ws.lake, feature_window(use_case, [partition]))
    key = partition if name in use_case.partitioned else SNAPSHOT
    return {source: {} for source in use_case.inputs} | {name: ws.lake.entries(f"validated/{name}", [key])}


def read_listed_units(
    ws: Workspace, partition: str, track: Track, inputs: Mapping[str, Mapping[str, Entry]]
) -> dict[str, ListedUnit]:
    """Return the listed units of a partition's decisions, by decision id.

    The facts are those of the newest validated data, because people act on what is true now. A unit that a correction
    has removed is absent. A fact that is a column with labels has its label. inputs: see `list_inputs`. Raises
    duckdb.Error if an expression fails.
    """
    declared = [expression.used_as for expression in list_expressions(ws.use_case)]
    decisions = ws.lake.entries(decisions_dataset(track), [partition])
    if not declared or not decisions:
        return {}
    shown, key = ws.use_case.decision_list, ws.use_case.decision.key
    columns = ", ".join(f"{sql} as {identifier(f'_shown_{number}')}" for number, sql in enumerate(declared))
    with open_inputs(ws.use_case, ws.lake, inputs, [partition]) as db:
        rows = db.execute(
            f"""select decision_id, d_units.* exclude ({identifiers(key)})
            from {ws.lake.select_rows(decisions.values())} d
            join (select {identifiers(key)}, {columns} from units) d_units using ({identifiers(key)})"""
        ).fetchall()
    units, labels = {}, read_labels(ws)
    columns_of_facts = [sql.strip() for sql in shown.show.values()]
    for decision_id, *contents in rows:
        label = contents.pop(0) if shown.label else None
        units[decision_id] = ListedUnit(
            label or "", dict(zip(shown.show, map(labels.text, columns_of_facts, contents), strict=True))
        )
    return units
