"""Record in a hash-chained ledger who assumed what, when, and which figures followed from it.

A signed assumption is a person's opinion. It never changes an account, a target, a stage gate or a total.
"""

from __future__ import annotations

from pydantic import Field

from sixtyforty.accounting.what_if_accounts import WhatIfAccounts
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.value.what_if import Assumption
from sixtyforty.workspace import Workspace

MAX_WHY = 500  # characters


class AssumptionError(SixtyfortyError):
    """An assumption can't be signed."""


class SignedAssumption(ChainedRow):
    """A row of the assumption ledger: an assumption that the person `by` signed. Money is in the KPI's currency."""

    track: Track = Field(description="The track of the accounts: `replay` or `live`.")
    assumed: dict[str, float] = Field(description="The assumed numbers by name of the variable.")
    declared: dict[str, float | None] = Field(description="The declared numbers of the same variables at that time.")
    why: str = Field(description="Why the person assumed it; may be empty.")
    first: str = Field(description="The first partition of the accounts.")
    last: str = Field(description="The last partition of the accounts.")
    gain: float = Field(description="The gain over the current process under the assumption.")
    per_1000: float | None = Field(description="The gain per 1,000 decisions under the assumption.")
    low: float | None = Field(description="The lower end of its 95% confidence interval.")
    high: float | None = Field(description="The upper end of its 95% confidence interval.")
    net_impact: float = Field(description="The net benefit under the assumption.")
    declared_gain: float = Field(description="The gain of the accounts at that time, without any assumption.")


class AssumptionLedger(HashChain[SignedAssumption]):
    """The ledger `assumptions.jsonl` of one use case: the assumptions that people signed."""

    row_type = SignedAssumption


def open_assumption_ledger(ws: Workspace) -> AssumptionLedger:
    """Return the ledger of the assumptions that people signed."""
    return ws.open_ledger(AssumptionLedger, "assumptions.jsonl")


def sign_assumption(
    ws: Workspace, accounts: WhatIfAccounts, assumption: Assumption, by: str, why: str = ""
) -> SignedAssumption:
    """Record that the person `by` signed an assumption, and return the ledger row.

    If the newest row of this person says the same, it is returned and nothing is recorded. Raises AssumptionError if
    the assumption changes nothing or the reason is too long, and WhatIfError if the accounts can't answer it.
    """
    variables = accounts.what_if.variables
    answer, reason = accounts.what_if.answer(assumption), " ".join(why.split())
    assumed = {name: n for name, n in assumption.items() if n != variables[name].declared}
    if not assumed:
        raise AssumptionError("The assumption is as declared. Change a number before you sign.")
    if len(reason) > MAX_WHY:
        raise AssumptionError(f"The reason is longer than {MAX_WHY} characters. Shorten it.")
    row = SignedAssumption(
        by=by,
        track=accounts.track,
        assumed=assumed,
        declared={name: variables[name].declared for name in assumed},
        why=reason,
        first=accounts.summary.first or "",
        last=accounts.summary.last or "",
        gain=answer.gain,
        per_1000=answer.per_1000.value,
        low=answer.per_1000.low,
        high=answer.per_1000.high,
        net_impact=answer.balance.net_impact,
        declared_gain=accounts.summary.gain,
    )

    def find_repeated(rows: list[SignedAssumption]) -> SignedAssumption | None:
        own = [earlier for earlier in rows if earlier.by == by]
        return own[-1] if own and _content(own[-1]) == _content(row) else None

    return open_assumption_ledger(ws).append_row(row, find_repeated)


def _content(row: SignedAssumption) -> dict[str, object]:
    return row.model_dump(exclude=set(ChainedRow.model_fields))
