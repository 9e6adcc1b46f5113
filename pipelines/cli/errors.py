"""Errors of the command line itself."""

from __future__ import annotations

from sixtyforty.spec.errors import SixtyfortyError


class CommandError(SixtyfortyError):
    """A command cannot do what the user asks. The message says why, and what to do next."""
