"""The two tracks of decisions: live and replay. Each track has its own decisions and ledger rows."""

from __future__ import annotations

from typing import Literal

Track = Literal["replay", "live"]
"""`live`: decisions made today and delivered, never rewritten. `replay`: past decisions as the model would have decided
then."""
