"""The mutations of extracts, at random: of fields, of lines and headers, and of bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

FIELDS = (
    *("99.5", "1e5", "1.23457E+17", "1_000", "0x1F", "inf", "-Infinity", "nan", "1e400", "1e-400", "-0", "-0.0", "+7"),
    *(
        "007",
        "7.0",
        ".5",
        "5.",
        "5.e3",
        ".",
        "-",
        "+",
        "e5",
        "1e",
        "--1",
        "9" * 40,
        "9223372036854775808",
        "1.005",
        "1.500",
    ),
    *("-9223372036854775808", "12345678901.00", "9999999999.99", "1,5", "1.234,56", "1'000", "1 000", "٣", "１２", "½"),
    *(
        "10000-01-01",
        "12024-03-02",
        "2103-01-01",
        "0044-03-15 BC",
        "0000-01-01",
        "2024-02-30",
        "2024-3-2",
        "2024/03/02",
    ),
    *("03.02.2024", "2024-03/02", "20240302", "2024-03-02T00:00:00.000", "2024-03-02 10:00", "2024-03-02T24:00:00"),
    *("infinity", "epoch", "today", "2024-03-02 10:00:00 BST", "2024-03-02 10:00 UTC", "2024-03-02 10:00:00+02:00"),
    *("2024-03-02T10:00:00.1234567", "2024-03-02T10:00:00.120000000Z", "2024-03-02 23:59:60", "2024-03-02 9:5:1"),
    *("12024-03-2 10:00:00", "2024-03-02 10:00:00 +2", "2024-03-31 02:30:00", "0001-01-01 00:00:00+14:00"),
    *(
        "",
        " ",
        "NA",
        "  NA  ",
        "na",
        "NULL",
        "null",
        "None",
        "N/A",
        "-",
        "?",
        "true",
        "TRUE",
        "tRUE",
        "yes",
        "YES",
        "on",
    ),
    *("2", "1.0", "t", " 5 ", "\u00a05", "\u2007NA", "\ufeff1", "a\tb", 'say "hi"', '"', "'", "a,b;c|d", "line\nbreak"),
    *(
        "cr\rhere",
        "é",
        "日本語",
        "😀",
        "e\u0301",
        "\u202e",
        "x" * 3000,
        "[1,2]",
        '{"a":1}',
        "\\",
        "\\N",
        "--",
        "=1+1",
        "#",
    ),
)
HEADERS = ("rename", "drop", "repeat", "case", "pad")


def replace_field(chance: random.Random, table: list[list[str]]) -> None:
    """Give a field of a row another text."""
    row = chance.choice(table[1:])
    row[chance.randrange(len(row))] = chance.choice(FIELDS)


def miscount_fields(chance: random.Random, table: list[list[str]]) -> None:
    """Add a field to a row, or remove one."""
    row = chance.choice(table[1:])
    if chance.random() < 0.5:
        row.insert(chance.randrange(len(row) + 1), chance.choice(FIELDS))
    else:
        row.pop(chance.randrange(len(row)))


def change_header(chance: random.Random, table: list[list[str]]) -> None:
    """Rename, drop, repeat or pad a name in the header."""
    header = table[0]
    position = chance.randrange(len(header))
    match chance.choice(HEADERS):
        case "rename":
            header[position] += "_new"
        case "drop":
            header.pop(position)
        case "repeat":
            header[position] = chance.choice(header)
        case "case":
            header[position] = header[position].upper()
        case "pad":
            header[position] = f" {header[position]}"


def change_row_order(chance: random.Random, table: list[list[str]]) -> None:
    """Repeat, swap or remove a row."""
    first, second = (chance.randrange(1, len(table)) for _ in range(2))
    match chance.randrange(3):
        case 0:
            table.insert(first, list(table[second]))
        case 1:
            table[first], table[second] = table[second], table[first]
        case _ if len(table) > 2:
            del table[first]


def add_nameless_column(chance: random.Random, table: list[list[str]]) -> None:
    """Add columns without a name at the end, and a text in one of them now and then."""
    count = chance.randint(1, 3)
    table[0] += [""] * count
    for row in table[1:]:
        row += [""] * chance.randint(0, count)
        if chance.random() < 0.1:
            row[-1] = chance.choice(FIELDS)


TABLE_MUTATIONS: tuple[Callable[[random.Random, list[list[str]]], None], ...] = (
    *(replace_field, replace_field, replace_field, replace_field),
    *(miscount_fields, change_header, change_row_order, add_nameless_column),
)


def cut_off(chance: random.Random, content: bytes) -> bytes:
    """Keep the start of a file."""
    return content[: chance.randrange(len(content) + 1)]


def insert_bytes(chance: random.Random, content: bytes) -> bytes:
    """Insert a text, or bytes that are no text, somewhere."""
    inserted = (
        b'"',
        b'""',
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b",",
        b";",
        b"\t",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff",
    )
    others = (
        b"\xe9",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b" ",
        b"\x0b",
        b"\x0c",
        b"\x85",
        b"\x1a",
    )
    position = chance.randrange(len(content) + 1)
    return content[:position] + chance.choice(inserted + others) + content[position:]


def change_byte(chance: random.Random, content: bytes) -> bytes:
    """Give a byte another bit."""
    position = chance.randrange(len(content)) if content else 0
    return (
        content[:position]
        + bytes(byte ^ (1 << chance.randrange(8)) for byte in content[position:][:1])
        + content[position + 1 :]
    )


def remove_span(chance: random.Random, content: bytes) -> bytes:
    """Remove some bytes in the middle."""
    position = chance.randrange(len(content) + 1)
    return content[:position] + content[position + chance.randint(1, 40) :]


def repeat_span(chance: random.Random, content: bytes) -> bytes:
    """Repeat some bytes in the middle."""
    position = chance.randrange(len(content) + 1)
    return content[: position + chance.randint(1, 80)] + content[position:]


def mix_line_ends(chance: random.Random, content: bytes) -> bytes:
    """Give some lines another line end."""
    lines = content.split(b"\n")
    return b"".join(line + chance.choice((b"\n", b"\r\n", b"\r", b"\n\n")) for line in lines)


def add_huge_field(chance: random.Random, content: bytes) -> bytes:
    """Insert a text of 100 kB."""
    position = chance.randrange(len(content) + 1)
    return content[:position] + chance.choice((b"x", b"9", b" ", b'""')) * 50_000 + content[position:]


def append_other(chance: random.Random, content: bytes) -> bytes:
    """Append the file to itself, or rubbish."""
    return content + chance.choice((content, b"\n" + content, b"rubbish", b"\n\n\n", b"   ", b"\r", b'"'))


BYTE_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(insert_bytes, insert_bytes, insert_bytes, change_byte, change_byte),
    *(cut_off, remove_span, repeat_span, mix_line_ends, add_huge_field, append_other),
)
