"""Different bytes have different texts, alike in a Parquet file and in a database."""

from __future__ import annotations

import duckdb
from hypothesis import example, given
from hypothesis import strategies as st

from sixtyforty.ingest.binary_texts import binary_text, binary_text_sql


def texts_in_sql(contents: list[bytes]) -> list[str]:
    with duckdb.connect() as db:
        rows = db.execute(f"select {binary_text_sql('b')} from (select unnest(?::blob[]) as b)", [contents]).fetchall()
    return [text for (text,) in rows]


@given(st.lists(st.binary(max_size=3) | st.text(max_size=3).map(str.encode), unique=True, max_size=8))
@example([b"\xff", b"\\xff", b"\\xFF", b"\\x5c786666", b"", b"\0", b"\n", "é".encode()])
def test_different_bytes_have_different_texts(contents: list[bytes]) -> None:
    texts = [binary_text(content) for content in contents]
    assert len(set(texts)) == len(contents)
    assert texts == texts_in_sql(contents)


def test_bytes_of_a_text_are_this_text() -> None:
    assert binary_text("Zoë\n".encode()) == "Zoë\n"
