"""What the words share: talking to the person at the keyboard."""

import sys


class Problem(Exception):
    """Something the person at the keyboard can mend."""


def say(text: str) -> None:
    """Progress, on stderr: stdout is for the answer."""
    print(text, file=sys.stderr, flush=True)
