"""No text shows the password of a URL, whatever characters the password has and wherever it stands."""

from __future__ import annotations

import traceback
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.shown_url import hide_passwords
from sixtyforty.storage.databases import DatabaseError, open_engine, parse_database_url, unusable_database

SECRET = "geheim"
NOISE = st.text("ab1@:/?#%&=+~!'\"<> ", max_size=6).filter(lambda noise: "//" not in noise)
SCHEMES = st.sampled_from(["postgresql+psycopg2", "redis", "s3", "https", "ssh", "mailtos"])


@settings(max_examples=100)
@given(SCHEMES, NOISE, NOISE, st.booleans())
def test_no_url_in_a_text_shows_its_password(scheme: str, before: str, after: str, is_in_query: bool) -> None:
    password = f"{before}{SECRET}{after}"
    url = f"{scheme}://host/x?password={SECRET}" if is_in_query else f"{scheme}://ann:{password}@host/x"
    shown = hide_passwords(f"can't reach {url} now")
    assert SECRET not in shown
    assert shown == f"can't reach {scheme}://host/x now"


@settings(max_examples=50)
@given(NOISE, NOISE)
def test_no_error_of_a_database_shows_the_password_of_its_url(before: str, after: str) -> None:
    password = f"{before}{SECRET}{after}"
    for text in (quote(password, safe=""), password):
        url = f"postgresql+psycopg2://ann:{text}@127.0.0.1:1/x?password={SECRET}&sslpassword={SECRET}"
        try:
            address = parse_database_url(url)
        except DatabaseError as error:
            assert SECRET not in f"{error}{error.__cause__}{error.__context__}"
            continue
        assert SECRET not in str(unusable_database(address, OSError("gone")))


def test_neither_an_engine_nor_its_failure_shows_the_password() -> None:
    engine = open_engine(f"postgresql+psycopg2://ann:{SECRET}@127.0.0.1:1/x")
    assert SECRET not in repr(engine)
    with pytest.raises(DatabaseError) as error:
        engine.connect()
    assert SECRET not in f"{error.value}{error.value.__cause__}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("copied s3://ann:a b@h1/x to 'ftp://ann:c'd@h2/y'.", "copied s3://h1/x to 'ftp://h2/y'."),
        ("{'url': 'https://h/x?key=geheim', 'n': 1}", "{'url': 'https://h/x', 'n': 1}"),
        ("postgresql://ann:***@h:1/x can't be used", "postgresql://ann:***@h:1/x can't be used"),
        ("postgresql://ann:***@geheim@h:1/x", "postgresql://h:1/x"),
        ("see https://token@h/x (docs).", "see https://h/x (docs)."),
        ("https://h/x and ann@example.org", "https://h/x and ann@example.org"),
        ("redis://:ge heim@h:6379/0\nnext line of ann@h", "redis://h:6379/0\nnext line of ann@h"),
    ],
)
def test_the_text_around_a_url_stays(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown


def test_neither_the_text_nor_the_repr_of_an_error_shows_a_password() -> None:
    url = f"sftp://ann:my'{SECRET}@host/x"
    for error in (UnreachableSourceError(f"calls: {url} can't be read"), SixtyfortyError(url)):
        assert SECRET not in f"{error} {error!r} {traceback.format_exception(error)}"
        assert "sftp://host/x" in str(error) and "sftp://host/x" in repr(error)


def test_a_text_without_a_url_is_unchanged() -> None:
    assert hide_passwords("ann@example.org: 5 > 3? yes #1") == "ann@example.org: 5 > 3? yes #1"
