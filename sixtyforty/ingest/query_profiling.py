"""Profile the rows of a database query for which no data contract exists yet."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

from sixtyforty.ingest.database_rows import csv_line
from sixtyforty.ingest.database_source import ROWS_PER_FETCH, engine_options
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.profiling import TableProfile, profile_files
from sixtyforty.storage.databases import DatabaseError, describe_driver_error, open_engine, parse_database_url

PROFILED_ROWS = 1_000_000


def profile_query(query: str, url: str) -> TableProfile:
    """Profile at most PROFILED_ROWS rows of a query. url: SQLAlchemy URL of the database.

    The rows are written to a temporary file as a source writes its extracts. Raises UnreadableExtractError if the
    database can't be read.
    """
    import sqlalchemy as sa

    with tempfile.TemporaryDirectory(prefix="sixtyforty-query-") as folder:
        file = Path(folder) / "query.csv"
        try:
            engine = open_engine(url, **engine_options(url))
            try:
                with engine.connect() as connection, file.open("w", encoding="utf-8", newline="") as lines:
                    streamed = connection.execution_options(yield_per=ROWS_PER_FETCH)
                    rows = streamed.execute(sa.text(query.strip().rstrip(";")))
                    lines.write(csv_line(rows.keys()))
                    lines.writelines(csv_line(row) for row in islice(rows, PROFILED_ROWS))
            finally:
                engine.dispose()
        except DatabaseError as error:
            raise _unreadable(error.reason) from None
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            # SQLAlchemy's own message contains the SQL and may contain rows, so it isn't shown.
            reason = describe_driver_error(parse_database_url(url), getattr(error, "orig", None) or error)
            raise _unreadable(reason) from None
        return replace(profile_files([file], null_texts=()), files=())


def _unreadable(reason: str) -> UnreadableExtractError:
    return UnreadableExtractError(
        f"The query can't be read ({reason}). Check that the database runs, that its user may read, and the SQL."
    )
