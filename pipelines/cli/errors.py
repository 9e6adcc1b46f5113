"""Errors of the command line itself."""

from __future__ import annotations

from sixtyforty.spec.errors import SixtyfortyError


class CommandError(SixtyfortyError):
    """A command cannot do what it is asked. The text says why and what to do next."""
