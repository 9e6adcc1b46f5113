"""The champion ledger: which model decides, from when, and why.

A row holds `effective_from` (business time in UTC from which decisions follow it) and `recorded_at` (wall clock).

Two verdicts take effect on earlier rows, which stay as they are:

- WITHDRAW takes a version, or its whole recipe, out of force for ever, on both tracks. `withdrawal_of` is the only
  place that says whether a version is withdrawn (a person decided so) or revoked (it learned from tainted data).
- REBUILD starts the replay anew at `effective_from`: the replay's rows from that time on no longer count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from sixtyforty.spec.track import Track
from sixtyforty.storage.hash_chain import EffectiveRow, HashChain

GateVerdict = Literal["PROMOTE", "HOLD", "REJECT", "PENDING", "APPROVE", "WITHDRAW", "REBUILD"]
WithdrawalKind = Literal["withdrawn", "revoked"]
PromotionKind = Literal["first", "refresh", "recipe", "adopted", "approved", "rollback", WithdrawalKind, "rebuilt"]
REFUSED_EVIDENCE = "refused"  # figure of a verdict: files or an experiment can't be trusted, so nothing was judged


class ChampionRow(EffectiveRow):
    """One verdict on one challenger."""

    track: Track = Field(description="`replay` or `live`.")
    version: str = Field(description="Version of the challenger; `-` in a REBUILD.")
    verdict: GateVerdict = Field(
        description="PROMOTE makes it champion from `effective_from`. PENDING waits for an APPROVE. WITHDRAW takes it"
        " out of force on both tracks. REBUILD starts the replay anew."
    )
    kind: PromotionKind = Field(description="The gate it had to pass, or the manual step that put it in force.")
    as_of: str = Field(description="The local day at whose start it was trained.")
    reasons: list[str] = Field(description="The reasons for the verdict, one sentence each.")

    @property
    def withdrawal_text(self) -> str:
        """Of a WITHDRAW: when it took effect and why, such as `withdrawn on 2026-03-01: it knew the future`."""
        return f"{self.kind} on {self.effective_from[:10]}: {'; '.join(self.reasons)}"

    @property
    def withdrawn_versions(self) -> list[str]:
        """The versions that a WITHDRAW takes out of force; empty for any other row."""
        return list(self.evidence.get("versions", [self.version])) if self.verdict == "WITHDRAW" else []

    @property
    def withdrawn_recipe(self) -> str | None:
        """The hash of the recipe that a WITHDRAW takes out of force with all its versions; None for any other row."""
        return self.evidence.get("recipe")

    @property
    def is_refused(self) -> bool:
        """Whether nothing was judged, because files or an experiment can't be trusted."""
        return REFUSED_EVIDENCE in self.evidence

    @property
    def lift_vs_current(self) -> Mapping[str, Any] | None:
        """The lift over the current process that the gate measured: value, low and high. None if it measured none."""
        return self.evidence.get("lift_vs_current")

    @property
    def identity(self) -> tuple[str, ...]:
        """The fields by which two rows give the same verdict."""
        return (self.track, self.version, self.as_of, self.verdict)


class ChampionLedger(HashChain[ChampionRow]):
    """The ledger `champion.jsonl` of one use case."""

    row_type = ChampionRow

    def append(
        self,
        *,
        track: Track,
        version: str,
        verdict: GateVerdict,
        kind: PromotionKind,
        as_of: str,
        effective_from: str,
        reasons: list[str],
        by: str = "gate",
        evidence: Mapping[str, Any] | None = None,
        repeat: bool = False,
    ) -> ChampionRow:
        """Append a verdict and return its row. The arguments are the fields of ChampionRow.

        If a row with the same track, version, as_of and verdict exists, return that row and append nothing.
        repeat: append a row even then, because a person may promote the same version twice.
        """
        new = ChampionRow(
            track=track,
            version=version,
            verdict=verdict,
            kind=kind,
            as_of=as_of,
            effective_from=effective_from,
            reasons=reasons,
            by=by,
            evidence=dict(evidence or {}),
        )

        def find_repeated(rows: list[ChampionRow]) -> ChampionRow | None:
            same = (row for row in _current_rows(rows) if row.identity == new.identity)
            return None if repeat else next(same, None)

        return self.append_row(new, find_repeated)

    def take_out_of_force(
        self,
        version: str,
        kind: WithdrawalKind,
        also: Sequence[str] = (),
        recipe: str | None = None,
        *,
        by: str,
        as_of: str,
        effective_from: str,
        reasons: list[str],
    ) -> ChampionRow:
        """Append a WITHDRAW of a version, and return its row; a version that is withdrawn already keeps its row.

        also: further versions that it takes out of force. recipe: hash of a recipe that is withdrawn with all its
        versions, later ones included. The other arguments are fields of ChampionRow.
        """
        new = ChampionRow(
            track="live",
            version=version,
            verdict="WITHDRAW",
            kind=kind,
            as_of=as_of,
            effective_from=effective_from,
            reasons=reasons,
            by=by,
            evidence={"versions": sorted({version, *also}), "recipe": recipe},
        )

        def find_repeated(rows: list[ChampionRow]) -> ChampionRow | None:
            row = _withdrawal_of(rows, version, recipe)
            return row if row and (recipe is None or row.withdrawn_recipe == recipe) else None

        return self.append_row(new, find_repeated)

    def withdrawal_of(self, version: str, recipe: str | None = None) -> ChampionRow | None:
        """Return the row that took a version out of force for ever; None if it may decide.

        recipe: the version's recipe, which matters for a version that was trained after its recipe was withdrawn.
        """
        return _withdrawal_of(self.rows(), version, recipe)

    def newest_withdrawal(self, track: Track) -> ChampionRow | None:
        """Return the row that took the track's newest withdrawn champion out of force; None if all are sound."""
        rows = self.rows()
        withdrawals = (_withdrawal_of(rows, row.version) for row in reversed(_promotions(rows, track)))
        return next((row for row in withdrawals if row), None)

    def rows_of(self, track: Track) -> list[ChampionRow]:
        """Return all rows that concern a track, oldest first: its own, and the withdrawals."""
        return [row for row in self.rows() if row.track == track or row.verdict == "WITHDRAW"]

    def verdicts(self, track: Track) -> list[ChampionRow]:
        """Return the gate's verdicts on a track, oldest first; of a replay only those since it was made anew."""
        verdicts = ("PROMOTE", "HOLD", "REJECT", "PENDING")
        return [row for row in _current_rows(self.rows()) if row.track == track and row.verdict in verdicts]

    def rebuilt_from(self) -> str:
        """Return the UTC time from which the replay was last made anew; empty if it never was."""
        return next((row.effective_from for row in reversed(self.rows()) if row.verdict == "REBUILD"), "")

    def promotions(self, track: Track) -> list[ChampionRow]:
        """Return the promotions on a track, ordered by the time from which they count; withdrawn versions included."""
        return _promotions(self.rows(), track)

    def sound_promotions(self, track: Track) -> list[ChampionRow]:
        """Return the promotions on a track whose version may still decide, by the time from which they count."""
        rows = self.rows()
        return [row for row in _promotions(rows, track) if not _withdrawal_of(rows, row.version)]

    def champion_at(self, track: Track, time: datetime | str) -> ChampionRow | None:
        """Return the champion at a UTC time; None before the first promotion. A withdrawn version is no champion."""
        limit = time if isinstance(time, str) else time.isoformat()
        in_force = [row for row in self.sound_promotions(track) if row.effective_from <= limit]
        return in_force[-1] if in_force else None


def _current_rows(rows: Sequence[ChampionRow]) -> list[ChampionRow]:
    """Return the rows that count: all of them, but none of a replay that was made anew since."""
    current: list[ChampionRow] = []
    for row in rows:
        if row.verdict == "REBUILD":
            current = [r for r in current if r.track == "live" or r.effective_from < row.effective_from]
        current.append(row)
    return current


def _promotions(rows: Sequence[ChampionRow], track: Track) -> list[ChampionRow]:
    promotions = [row for row in _current_rows(rows) if row.track == track and row.verdict == "PROMOTE"]
    return sorted(promotions, key=lambda row: (row.effective_from, row.seq))


def _withdrawal_of(rows: Sequence[ChampionRow], version: str, recipe: str | None = None) -> ChampionRow | None:
    for row in rows:
        if row.verdict == "WITHDRAW":
            is_same_recipe = recipe is not None and row.withdrawn_recipe == recipe
            if is_same_recipe or version in row.withdrawn_versions:
                return row
    return None
