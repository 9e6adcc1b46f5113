"""The champion ledger: which model version decides, from when, and why.

Each row has two times in UTC. `effective_from` is the business time from which decisions follow the row, and
`recorded_at` is the real time at which the row was written.

Two verdicts change the effect of earlier rows, without changing these rows:

- WITHDRAW forbids a version, or all versions of a recipe, to decide ever again, on both tracks. A version is
  `withdrawn` if a person decided so, and `revoked` if it learned from tainted data. Only `withdrawal_of` tells whether
  a version may decide.
- REBUILD restarts the replay at `effective_from`. Earlier rows of the replay with a later `effective_from` lose their
  effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from sixtyforty.spec.track import Track
from sixtyforty.storage.hash_chain import EffectiveRow, HashChain
from sixtyforty.storage.ledger_anchors import LedgerAnchors
from sixtyforty.storage.object_store import StoragePath

GateVerdict = Literal["PROMOTE", "HOLD", "REJECT", "PENDING", "APPROVE", "WITHDRAW", "REBUILD"]
WithdrawalKind = Literal["withdrawn", "revoked"]
PromotionKind = Literal["first", "refresh", "recipe", "adopted", "approved", "rollback", WithdrawalKind, "rebuilt"]
REFUSED_EVIDENCE = "refused"  # evidence of a gate that judged nothing: files or an experiment can't be trusted


class ChampionRow(EffectiveRow):
    """One row of the champion ledger: the verdict on one challenger, or a restart of the replay."""

    track: Track = Field(description="The track: `replay` or `live`.")
    version: str = Field(description="Version of the challenger; `-` in a REBUILD row.")
    verdict: GateVerdict = Field(
        description="PROMOTE: the challenger becomes champion at `effective_from`. PENDING: it waits for an APPROVE."
        " HOLD and REJECT: it doesn't become champion. WITHDRAW: it may never decide again, on both tracks."
        " REBUILD: the replay restarts at `effective_from`."
    )
    kind: PromotionKind = Field(
        description="What led to the row: the gate that judged the challenger, or an act such as `rollback`."
    )
    as_of: str = Field(description="The local day at whose start the challenger was trained.")
    reasons: list[str] = Field(description="The reasons for the verdict, one sentence each.")
    bound: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 of the version's model card, model file, training set and data versions; empty in a row of"
        " an early release, and for a version without files.",
    )

    @property
    def withdrawal_text(self) -> str:
        """When and why a WITHDRAW row forbids a model, such as `withdrawn on 2026-03-01: it knew the future`."""
        return f"{self.kind} on {self.effective_from[:10]}: {'; '.join(self.reasons).removesuffix('.')}"

    @property
    def withdrawn_versions(self) -> list[str]:
        """The model versions that a WITHDRAW row forbids to decide; empty for any other row."""
        return list(self.evidence.get("versions", [self.version])) if self.verdict == "WITHDRAW" else []

    @property
    def withdrawn_recipe(self) -> str | None:
        """The hash of the recipe that a WITHDRAW row withdraws with all its versions; None if it withdraws none."""
        return self.evidence.get("recipe")

    @property
    def is_refused(self) -> bool:
        """Whether the gate refused to judge the challenger, because model files or an experiment can't be trusted."""
        return REFUSED_EVIDENCE in self.evidence

    @property
    def tried_recipes(self) -> list[str]:
        """The hashes of the recipes that were declared when the gate judged; empty for a row of an early release."""
        return list(self.evidence.get("tried_recipes", ()))

    @property
    def twin(self) -> str | None:
        """The version of the twin that the gate compared with a champion, in place of a refresh; None without one."""
        return self.evidence.get("twin")

    @property
    def forecast(self) -> Mapping[str, Any] | None:
        """The gate's forecast of the lift in the next month, as {value, low, high, problem}; None without one.

        Rows that were written before the gate gave forecasts contain none.
        """
        return self.evidence.get("forecast")

    @property
    def identity(self) -> tuple[str, ...]:
        """The fields that are equal in two rows about the same verdict: track, version, as_of and verdict."""
        return (self.track, self.version, self.as_of, self.verdict)


class ChampionLedger(HashChain[ChampionRow]):
    """The ledger `champion.jsonl` of one use case.

    hash_version: a function that returns the hashes of a model version, by name, to which each new row is bound; None
    binds no row.
    """

    row_type = ChampionRow

    def __init__(
        self,
        path: StoragePath,
        use_case: str = "",
        anchors: LedgerAnchors | None = None,
        *,
        hash_version: Callable[[str], dict[str, str]] | None = None,
    ) -> None:
        super().__init__(path, use_case, anchors)
        self._hash_version = hash_version or (lambda _: {})

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
        """Append a row for a verdict to the champion ledger, and return the row.

        If a row with the same track, version, as_of and verdict exists, that row is returned and nothing is appended.
        repeat: append the row even if an equal row exists, because a person may promote the same version twice. The
        other arguments are fields of ChampionRow.
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
            bound=self._hash_version(version),
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
        """Append a WITHDRAW row for a model version to the champion ledger, and return the row.

        If the version, or the recipe, is withdrawn already, its WITHDRAW row is returned and nothing is appended.
        also: further versions to withdraw.
        recipe: hash of a recipe to withdraw, with all its versions, including versions trained later. The other
        arguments are fields of ChampionRow.
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
            bound=self._hash_version(version),
        )

        def find_repeated(rows: list[ChampionRow]) -> ChampionRow | None:
            row = _withdrawal_of(rows, version, recipe)
            return row if row and (recipe is None or row.withdrawn_recipe == recipe) else None

        return self.append_row(new, find_repeated)

    def withdrawal_of(self, version: str, recipe: str | None = None) -> ChampionRow | None:
        """Return the WITHDRAW row that forbids a model version to decide; None if the version may decide.

        recipe: the hash of the version's recipe. It is needed for a version that was trained after its recipe was
        withdrawn.
        """
        return _withdrawal_of(self.rows(), version, recipe)

    def newest_withdrawal(self, track: Track) -> ChampionRow | None:
        """Return the newest WITHDRAW row about a champion of a track; None if no champion was withdrawn.

        If no champion is in force, this row tells why. After a withdrawal, an earlier champion may be in force again.
        """
        rows = self.rows()
        withdrawals = (_withdrawal_of(rows, row.version) for row in _promotions(rows, track))
        return max((row for row in withdrawals if row), key=lambda row: row.seq, default=None)

    def rows_of(self, track: Track) -> list[ChampionRow]:
        """Return the ledger's rows about a track, oldest first, with all WITHDRAW rows, which concern both tracks."""
        return [row for row in self.rows() if row.track == track or row.verdict == "WITHDRAW"]

    def verdicts(self, track: Track) -> list[ChampionRow]:
        """Return a track's verdicts of the gate, oldest first, without verdicts that a later REBUILD row canceled."""
        verdicts = ("PROMOTE", "HOLD", "REJECT", "PENDING")
        return [row for row in _current_rows(self.rows()) if row.track == track and row.verdict in verdicts]

    def promotions(self, track: Track) -> list[ChampionRow]:
        """Return the PROMOTE rows of a track, ordered by `effective_from`. Rows of withdrawn versions are included."""
        return _promotions(self.rows(), track)

    def sound_promotions(self, track: Track) -> list[ChampionRow]:
        """Return the PROMOTE rows of a track, ordered by `effective_from`. Rows of withdrawn versions are left out."""
        rows = self.rows()
        return [row for row in _promotions(rows, track) if not _withdrawal_of(rows, row.version)]

    def champion_at(self, track: Track, time: datetime | str) -> ChampionRow | None:
        """Return the PROMOTE row of the champion at a UTC time; None before the first promotion.

        A withdrawn version is not a champion, not even at times before its withdrawal.
        """
        limit = time if isinstance(time, str) else time.isoformat()
        in_force = [row for row in self.sound_promotions(track) if row.effective_from <= limit]
        return in_force[-1] if in_force else None


def _current_rows(rows: Sequence[ChampionRow]) -> list[ChampionRow]:
    """Return the ledger rows that still have an effect: all but the replay rows that a later REBUILD row canceled."""
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
