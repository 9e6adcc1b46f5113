"""The two tracks of decisions, which never mix."""

from __future__ import annotations

from typing import Literal

Track = Literal["replay", "live"]
"""`live`: today's decisions, never rewritten. `replay`: past decisions as they would have been made."""
