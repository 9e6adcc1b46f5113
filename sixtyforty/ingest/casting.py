"""Cast the text columns of raw rows to the types of the data contract, and give a reason for each row that doesn't fit.

A raw partition has the contract's columns as text, and five more columns:

- `_extract`: the id of the extract;
- `_row`: the number of the line in the extract;
- `_seq`: the arrival number of the extract;
- `_broken`: why the line can't be read as a row, or null;
- `_text`: the text of a line that can't be read as a row, otherwise null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LINEAGE = ("_extract", "_row")
RAW_COLUMNS = ("_row", "_broken", "_text", "_extract", "_seq")


def raw_schema(source: Source) -> pa.Schema:
    """Return the Arrow schema of a source's raw partitions."""
    import pyarrow as pa

    columns = [*source.columns, *RAW_COLUMNS]
    return pa.schema([(column, pa.int64() if column in ("_row", "_seq") else pa.string()) for column in columns])


def cleaned_columns_sql(source: Source) -> str:
    """Return a SELECT list that trims a source's text columns, and turns empty texts and its null text into NULL."""
    null_text = literal(source.null_text)
    columns = map(identifier, source.columns)
    return ", ".join(f"nullif(nullif(trim({column}), ''), {null_text}) as {column}" for column in columns)


def typed_columns_sql(source: Source) -> str:
    """Return a SELECT list that casts cleaned text columns to the types of the data contract.

    Cleaned columns are those that `cleaned_columns_sql` returns. A text that doesn't fit its type becomes NULL.
    """
    return ", ".join(
        f"{cast_sql(column, contract_type)} as {identifier(column)}" for column, contract_type in source.columns.items()
    )


def cast_sql(column: str, contract_type: str) -> str:
    """Return a SQL expression that casts a cleaned text column to a type of the contract; NULL if it doesn't fit."""
    text, contract_type = identifier(column), contract_type.upper()
    if contract_type in ("DOUBLE", "FLOAT"):  # "nan" would pass every range rule
        return f"nullif(try_cast({text} as {contract_type}), 'nan')"
    if contract_type == "TIMESTAMP":
        # A cast to TIMESTAMP ignores a UTC offset. A cast to TIMESTAMPTZ converts it but is slow, so it is used only
        # for texts that may have an offset.
        has_no_offset = f"strlen({text}) = 19 and {text}[17] = ':'"
        converted = f"(try_cast({text} as timestamptz) at time zone 'UTC')"
        return f"case when {has_no_offset} then try_cast({text} as timestamp) else {converted} end"
    return text if contract_type == "VARCHAR" else f"try_cast({text} as {contract_type})"


def misfit_reason_sql(source: Source) -> str:
    """Return a SQL expression for the reason why a row doesn't fit the data contract. The reason is NULL if it fits.

    The expression reads the columns that `cleaned_columns_sql` returns. The reason names columns but no values, because
    these may be personal data.
    """
    checks = [
        f"case when {identifier(column)} is not null and {cast_sql(column, contract_type)} is null"
        f" then {literal(f'{column} is not {contract_type.upper()}')} end"
        for column, contract_type in source.columns.items()
        if contract_type.upper() != "VARCHAR"
    ]
    return f"nullif(concat_ws('; ', {', '.join(checks)}), '')" if checks else "null"


def type_rows(db: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Create the temporary table `typed`, with typed columns and a status for each row, from the view `landed`.

    `landed` must have the columns of raw partitions and `_partition`. `typed` has the contract's columns with their
    types, `_extract`, `_row`, `_seq`, `_partition`, and two more columns. `_reason` is why a row is quarantined, or
    NULL. `_status` is one of:

    - `quarantined`: the line can't be read as a row, or a text doesn't fit its type;
    - `duplicate`: an earlier row of the partition is equal in all columns;
    - `superseded`: a later extract has a row with the same key and other values;
    - `row`: a valid row, to which no other status applies.

    If an extract corrects a row and a third extract repeats the original row, the original row is valid again. If a key
    occurs twice in one extract, both rows are valid here, and the rules of the suite report them.
    """
    columns, key = identifiers(source.columns), identifiers(source.key)
    # Cleaning is a separate subquery, or else DuckDB would repeat it for each cast. Only rows that share a key can be
    # duplicates. They are few, so the slow window functions run on those rows alone.
    db.execute(
        f"""create or replace temp table typed as
        with cleaned as (
            select {cleaned_columns_sql(source)}, _extract, _row, _seq, _partition, _broken from landed),
        cast_rows as (
            select {typed_columns_sql(source)}, _extract, _row, _seq, _partition,
                nullif(concat_ws('; ', _broken, {misfit_reason_sql(source)}), '') as _reason
            from cleaned),
        counted as (
            select *, count(*) over (partition by _partition, {key}) > 1 as _shares_key from cast_rows),
        copies as (
            select *, row_number() over (same_row order by _seq, _row) as _copy,
                max(_seq) over same_row as _repeated_seq
            from counted where _shares_key
            window same_row as (partition by _partition, _reason is null, {columns})
            union all select *, 1, _seq from counted where not _shares_key),
        latest as (
            select *, max(_seq) filter (_reason is null) over (partition by _partition, {key}) as _latest_seq
            from copies where _shares_key
            union all select *, _seq from copies where not _shares_key)
        select * exclude (_shares_key, _copy, _repeated_seq, _latest_seq), case
            when _reason is not null then 'quarantined'
            when _copy > 1 then 'duplicate'
            when _repeated_seq < _latest_seq then 'superseded'
            else 'row' end as _status
        from latest order by _partition, _seq, _row"""
    )
