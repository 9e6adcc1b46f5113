"""The champion ledger: which model decides, from when, and why.

A row holds two times. `effective_from` is the business time (UTC) from which the row applies to decisions.
`recorded_at` is the real time at which the row was written.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from sixtyforty.spec.track import Track
from sixtyforty.storage.hash_chain import EffectiveRow, HashChain

GateVerdict = Literal["PROMOTE", "HOLD", "REJECT", "PENDING", "APPROVE"]
PromotionKind = Literal["first", "refresh", "recipe", "adopted", "approved", "rollback"]


class ChampionRow(EffectiveRow):
    """One verdict on one challenger."""

    track: Track = Field(description="`replay` or `live`.")
    version: str = Field(description="Version of the challenger.")
    verdict: GateVerdict = Field(
        description="PROMOTE makes it champion from `effective_from`. PENDING waits for an APPROVE."
    )
    kind: PromotionKind = Field(description="The gate it had to pass, or the manual step that put it in force.")
    as_of: str = Field(description="The local day at whose start it was trained.")
    reasons: list[str] = Field(description="The reasons for the verdict, one sentence each.")


class ChampionLedger(HashChain[ChampionRow]):
    """The ledger `champion.jsonl` of one use case."""

    row_type = ChampionRow

    def append(self, repeat: bool = False, **fields: Any) -> ChampionRow:
        """Append a verdict and return its row.

        If a row with the same track, version, as_of and verdict exists, return that row and append nothing.
        repeat: append a row even then, because a person may promote the same version twice.
        fields: the fields of ChampionRow, without those that the ledger sets. `by` is `gate` by default.
        """
        identity = ("track", "version", "as_of", "verdict")

        def find_repeated(rows: list[ChampionRow]) -> ChampionRow | None:
            same = (row for row in rows if all(getattr(row, name) == fields[name] for name in identity))
            return None if repeat else next(same, None)

        return self.append_row({"by": "gate", **fields}, find_repeated)

    def promotions(self, track: Track) -> list[ChampionRow]:
        """Return the rows that promote a model on a track, sorted by `effective_from`."""
        rows = [row for row in self.rows() if row.track == track and row.verdict == "PROMOTE"]
        return sorted(rows, key=lambda row: (row.effective_from, row.seq))

    def champion_at(self, track: Track, time: datetime | str) -> ChampionRow | None:
        """Return the row that promoted the champion at a UTC time; None before the first promotion."""
        limit = time if isinstance(time, str) else time.isoformat()
        in_force = [row for row in self.promotions(track) if row.effective_from <= limit]
        return in_force[-1] if in_force else None
