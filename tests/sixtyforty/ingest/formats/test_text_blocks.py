"""Text arrives as UTF-8, whichever encoding the file has."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import OTHER_TEXT, RefusedExtractError
from sixtyforty.ingest.formats.text_blocks import HOLE, decode_head, read_text_blocks

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
MARKED = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text") / "any.csv"


@given(WORDS, st.sampled_from(list(MARKED)), st.integers(4, 9), st.booleans())
def test_a_byte_order_mark_names_the_encoding(file: Path, text: str, encoding: str, size: int, packed: bool) -> None:
    content = MARKED[encoding] + text.encode(encoding)
    file.write_bytes(gzip.compress(content) if packed else content)
    assert b"".join(read_text_blocks(file, "cp1252", size)).decode() == text


@given(WORDS, st.sampled_from(["utf-8", "utf-16-le", "latin-1", "cp1252", "shift_jis"]), st.integers(4, 9))
def test_a_declared_encoding_is_used(file: Path, text: str, encoding: str, size: int) -> None:
    content = text.encode(encoding, "ignore")
    if not content.startswith(tuple(MARKED.values())):
        file.write_bytes(content)
        assert b"".join(read_text_blocks(file, encoding, size)).decode() == content.decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_detected(file: Path, encoding: str) -> None:
    file.write_bytes("parcel,addressee\n1,Zoë\n".encode(encoding))
    assert b"".join(read_text_blocks(file)).decode() == "parcel,addressee\n1,Zoë\n"
    assert decode_head(file.read_bytes()) == "parcel,addressee\n1,Zoë\n".encode()


def test_bytes_that_are_no_text_stay_recognizable(file: Path) -> None:
    file.write_bytes(b"a\xff\n\x81b")
    for declared in (None, "utf-8", "ascii", "cp1252"):
        content = b"".join(read_text_blocks(file, declared))
        with pytest.raises(UnicodeDecodeError):
            content.decode()
        assert content.count(b"\n") == 1


def test_a_file_without_the_mark_that_its_declared_encoding_requires_is_refused(file: Path) -> None:
    file.write_bytes(b"parcel\n1\n")
    with pytest.raises(RefusedExtractError, match="not readable as utf-16: UTF-16 stream does not start with BOM"):
        list(read_text_blocks(file, "utf-16"))


def test_a_file_cut_off_within_a_character_is_refused(file: Path) -> None:
    file.write_bytes("\ufeffabc".encode("utf-16-le")[:-1])
    with pytest.raises(RefusedExtractError, match="not readable as utf-16-le: truncated data"):
        list(read_text_blocks(file))


@pytest.mark.parametrize("content", [b"a,b\n" + HOLE, HOLE, b"a\0\0b" + HOLE + b"c"])
@pytest.mark.parametrize("size", [3, 1000, 1 << 20])
def test_many_zero_bytes_in_a_row_show_that_a_file_is_not_text(file: Path, content: bytes, size: int) -> None:
    file.write_bytes(content)
    with pytest.raises(RefusedExtractError, match=f"byte {content.index(HOLE)} is zero"):
        list(read_text_blocks(file, size=size))


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_fewer_zero_bytes_stay_in_the_text(file: Path, size: int) -> None:
    content = b"a,b\n1" + HOLE[1:] + b"\n" + HOLE[1:]
    file.write_bytes(content)
    assert b"".join(read_text_blocks(file, size=size)) == content


@pytest.mark.parametrize(
    ("text", "encoding", "looks_other"),
    [
        ("Köln " * 9, "utf-8", True),
        ("Köln", "utf-8-sig", False),  # the mark names the encoding
        ("Köln", "cp1252", False),
        ("Bonn", "ascii", False),
        ("Kö", "utf-8", True),
    ],
)
def test_utf_8_under_another_declared_encoding_is_detected(
    file: Path, text: str, encoding: str, looks_other: bool
) -> None:
    file.write_bytes(text.encode(encoding))
    detected: dict[str, str] = {}
    for _ in read_text_blocks(file, "cp1252", 4, detected=detected):
        pass
    assert detected == ({OTHER_TEXT: "utf-8"} if looks_other else {})
