"""Faults of feeds: extracts that are broken, wrong, late or missing, and locations that can't be read."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.demo.drill.plan import binary_garbage
from pipelines.demo.fault_drill.fault import Fault
from pipelines.demo.fault_drill.scene import Scene, Spoil

REFUSED = ("is refused", "was rejected")
DAYS = 24  # hours


def not_landed(content: bytes) -> None:
    """Return None: the extract does not land."""


def empty(content: bytes) -> bytes:
    """Return a file of 0 bytes."""
    return b""


def cut_within_a_line(content: bytes) -> bytes:
    """Return the first half of a file, which ends in the middle of a line."""
    return content[: len(content) // 2]


def error_page(content: bytes) -> bytes:
    """Return the error page of a web server in place of the extract."""
    return b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n"


def without_first_column(content: bytes) -> bytes:
    """Return the rows without their first column."""
    return b"\n".join(line.partition(b",")[2] for line in content.splitlines()) + b"\n"


def change_field(column: str, text: bytes) -> Spoil:
    """Return a change that writes a text into a column of each row."""

    def change(content: bytes) -> bytes:
        header, *rows = content.splitlines()
        position = header.split(b",").index(column.encode())
        changed = [[*fields[:position], text, *fields[position + 1 :]] for fields in (r.split(b",") for r in rows)]
        return b"\n".join([header, *map(b",".join, changed), b""])

    return change


def spoil(source: str, how: Spoil) -> Callable[[Scene], None]:
    """Return a function that changes each extract of a source that lands from now on."""

    def plant(scene: Scene) -> None:
        scene.spoiled[source] = how

    return plant


def replace_folder_by_file(scene: Scene) -> None:
    """Replace the landing zone by a file, as a failed mount leaves it."""
    folder = scene.home.landing_zone
    aside = folder.with_name("unmounted")
    folder.rename(aside)
    folder.touch()

    def restore() -> None:
        folder.unlink()
        aside.rename(folder)

    scene.undo.append(restore)


def link_to_nothing(scene: Scene) -> None:
    """Put a link to a file that does not exist into the landing zone."""
    _add_link(scene, "movements_link.csv", "deleted.csv")


def link_to_itself(scene: Scene) -> None:
    """Put a link that leads to itself into the landing zone."""
    _add_link(scene, "weather_loop.csv", "weather_loop.csv")


def _add_link(scene: Scene, name: str, target: str) -> None:
    link = scene.home.landing_zone / name
    link.symlink_to(target)
    scene.undo.append(link.unlink)


def _faults_of_content() -> list[Fault]:
    """Return the faults that one changed extract of movements shows within an hour."""
    changes: dict[str, Spoil] = {
        "binary garbage": binary_garbage,
        "empty": empty,
        "cut within a line": cut_within_a_line,
        "a web server's error page": error_page,
        "a column missing": without_first_column,
        "text in place of a number": change_field("dep_delay", b"late"),
        "days of another year": change_field("year", b"2031"),
    }
    return [
        Fault(f"movements: {name}", spoil("movements", how), (*REFUSED, "in quarantine"), hours=1)
        for name, how in changes.items()
    ]


FAULTS = [
    *_faults_of_content(),
    Fault("timetable: binary garbage", spoil("timetable", binary_garbage), REFUSED, hours=4),
    Fault(
        "weather: text in place of a number",
        spoil("weather", change_field("temp", b"warm")),
        (*REFUSED, "in quarantine"),
        hours=1,
    ),
    Fault("movements: late", spoil("movements", not_landed), ("the current process took",), hours=4),
    Fault("movements: silent", spoil("movements", not_landed), ("no row of movements",), hours=4 * DAYS),
    Fault("timetable: silent", spoil("timetable", not_landed), ("no row of timetable",), hours=4 * DAYS),
    Fault("landing zone: replaced by a file", replace_folder_by_file, ("source unreachable",)),
    Fault("landing zone: a link to nothing", link_to_nothing, ("links to a file that doesn't exist",)),
    Fault("landing zone: a link to itself", link_to_itself, ("links to a file that doesn't exist",)),
]
