"""Find columns whose values changed their type: columns most of whose values in an extract don't fit the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import cleaned_columns_sql
from sixtyforty.ingest.contract_rows import select_landed_rows
from sixtyforty.ingest.type_inference import infer_types
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

MISFIT_SHARE = 0.5  # a column counts as retyped if more than this share of its values doesn't fit its declared type


def find_misfits(use_case: DecisionChain, source: str, lake: Lake, raw: Mapping[str, Entry]) -> dict[str, str]:
    """Return the columns whose values mostly don't fit the declared type, each with the type that would fit.

    A column counts if this is true of one extract, even if other extracts fit.

    raw: the manifests of the imported rows, by partition. The partitions must be validated already.
    """
    contract = use_case.sources[source]
    typed = [column for column, kind in contract.columns.items() if kind.upper() != "VARCHAR"]
    quarantined = lake.entries(f"quarantine/{source}", list(raw))
    if not typed or not quarantined:
        return {}
    counts = ", ".join(
        f"count(l.{name}), count(*) filter (l.{name} is not null and q._reason is not null and q.{name} is null)"
        for name in map(identifier, typed)
    )
    with lake.open_session(use_case.timezone) as db:
        landed = select_landed_rows(lake, contract, raw.values())
        cleaned = f"select {cleaned_columns_sql(contract, typed)}, _partition, _extract, _row from {landed}"
        refused = lake.select_rows(quarantined.values())
        extracts = db.execute(
            f"select _extract, {counts} from ({cleaned}) l left join {refused} q using (_partition, _extract, _row)"
            " group by _extract order by _extract"
        ).fetchall()
        extracts_by_column: dict[str, list[str]] = {}
        for extract, *figures in extracts:
            for column, filled, misfits in zip(typed, figures[::2], figures[1::2], strict=True):
                if misfits > MISFIT_SHARE * filled:
                    extracts_by_column.setdefault(column, []).append(extract)
        return {c: _infer_type(db, landed, c, extracts_by_column[c]) for c in typed if c in extracts_by_column}


def _infer_type(db: duckdb.DuckDBPyConnection, landed: str, column: str, extracts: list[str]) -> str:
    """Return the type to declare for a column, inferred from its texts in some extracts.

    landed: SQL that selects the landed rows.
    """
    name, listed = identifier(column), ", ".join(map(literal, extracts))
    db.execute(
        f"create or replace temp view texts as select nullif(trim({name}), '') as {name} from {landed}"
        f" where _extract in ({listed})"
    )
    inferred = infer_types(db, "texts", [column], {})[column]
    return "VARCHAR" if inferred.parsing_sql else inferred.kind  # a cast can't read other forms of dates
