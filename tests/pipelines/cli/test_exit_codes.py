"""The table of exit codes is complete."""

from __future__ import annotations

from pipelines.cli import exit_codes


def test_every_exit_code_has_a_meaning() -> None:
    codes = {number for name, number in vars(exit_codes).items() if name.isupper() and isinstance(number, int)}
    assert codes == set(exit_codes.MEANINGS) == {0, 1, 2, 3, 70, 130, 143}
    assert all(meaning.endswith(".") for meaning in exit_codes.MEANINGS.values())
