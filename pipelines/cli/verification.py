"""The commands verify and rotate-seals: name what differs from what was stored, and replace the key of the seals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import OPERATE, command
from pipelines.cli.options import By, OptionalUseCase, OptionalWhy, UseCaseName, current_user
from pipelines.cli.security_events import record_event
from sixtyforty.spec.errors import SixtyfortyError

if TYPE_CHECKING:
    from sixtyforty.storage.witness import LedgerHead


class VerifyOptionError(SixtyfortyError):
    """The options of `sixtyforty verify` don't fit together."""


@dataclass(frozen=True, kw_only=True)
class VerifyAnswer(Answer):
    """Answer of `sixtyforty verify`: what was verified, and what differs."""

    ok: Annotated[bool, "Whether nothing differs."]
    checked: Annotated[Mapping[str, Mapping[str, int]], "For each use case: how many things of each kind are sound."]
    differences: Annotated[Mapping[str, Sequence[str]], "For each use case: a sentence for each difference."]
    notes: Annotated[Mapping[str, Sequence[str]], "For each use case: what is less protected than it could be."]

    @property
    def succeeded(self) -> bool:
        """Whether nothing differs."""
        return self.ok


@command(OPERATE, "verify", "", "{demo} --quick", "{demo} --head champion.jsonl:12:HASH")
def verify(
    use_case: OptionalUseCase = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the lake, except the newest decisions, and the responses.")
    ] = False,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="LEDGER:ROWS:HASH", help="A ledger's head, from a digest or a witness."),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept the ledgers as they are, after a restore. Needs --why.")
    ] = False,
    by: By = "",
    why: OptionalWhy = "",
) -> VerifyAnswer:
    """Recalculate all hashes of lake, models and ledgers, reconcile deliveries with decisions, and name differences."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.verification import accept_ledgers, send_to_witness, verify_use_case
    from sixtyforty.storage.witness import read_heads, witness_address

    if (accept or head) and use_case is None:
        raise VerifyOptionError("--accept and --head need the name of a use case.")
    if accept and not why.strip():
        raise VerifyOptionError("--accept needs the reason, with --why TEXT.")
    witness = witness_address()
    verifications = []
    for name in [use_case] if use_case else catalog.list_use_cases():
        ws = catalog.open_workspace(name)
        if accept:
            accept_ledgers(ws, by or current_user(), why)
        known = [*read_heads(witness), *(_parse_head(ws.use_case.first_name, text) for text in head or ())]
        verification = verify_use_case(ws, quick=quick, known_heads=known)
        verifications.append(verification)
        send_to_witness(verification)
    lines = []
    for verification in verifications:
        verdict = "NOT" if verification.differences else "ok "
        lines.append(f"{verdict}  {verification.use_case}: {verification.summary}")
        lines += [f"     {text}" for text in (*verification.differences, *verification.notes)]
    return VerifyAnswer(
        ok=not any(verification.differences for verification in verifications),
        checked={verification.use_case: verification.checked for verification in verifications},
        differences={verification.use_case: verification.differences for verification in verifications},
        notes={verification.use_case: verification.notes for verification in verifications},
        text="\n".join(lines),
    )


def _parse_head(use_case: str, text: str) -> LedgerHead:
    from sixtyforty.storage.witness import LedgerHead

    ledger, _, rest = text.partition(":")
    rows, _, row_hash = rest.partition(":")
    if not (rows.isdigit() and row_hash):
        raise VerifyOptionError(f"--head {text} isn't a head. Write it as LEDGER:ROWS:HASH.")
    return LedgerHead(use_case, ledger, int(rows), row_hash)


@dataclass(frozen=True, kw_only=True)
class SealsAnswer(Answer):
    """Answer of `sixtyforty rotate-seals`: what the new key seals."""

    use_case: Annotated[str, "Name of the use case."]
    responses: Annotated[int, "Number of responses that were sealed again."]


@command(OPERATE, "rotate-seals", "{demo}")
def rotate_seals(use_case: UseCaseName, by: By = "") -> SealsAnswer:
    """Replace the key of the seals of people's responses, and seal every response again.

    The command refuses if a response doesn't match its seal. If it is killed, run it again to finish.
    """
    from pipelines.authoring import catalog
    from sixtyforty.decisions.responses import rotate_seal_key

    count = rotate_seal_key(catalog.open_workspace(use_case))
    record_event("key replaced", by, use_case, f"seals of {count} responses")
    plural = "" if count == 1 else "s"
    text = f"The key of the seals of {use_case} is replaced: {count} response{plural} sealed again."
    return SealsAnswer(use_case=use_case, responses=count, text=text)
