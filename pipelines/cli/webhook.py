"""The command that sends decisions to the webhook: webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import OPERATE, command
from pipelines.cli.options import UseCaseName
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.wording import format_plural


@dataclass(frozen=True, kw_only=True)
class WebhookAnswer(Answer):
    """Answer of `sixtyforty webhook`: how many decisions the webhook has got."""

    sent: Annotated[int, "Decisions that the webhook has got."]
    waiting: Annotated[int, "Decisions that will be sent or sent again."]
    failed: Annotated[int, "Decisions that aren't sent again without --retry."]
    problem: Annotated[str | None, "Why the newest failed attempt failed."]

    @property
    def succeeded(self) -> bool:
        """Whether the webhook has got all decisions."""
        return not self.waiting and not self.failed


@command(OPERATE, "webhook", "{demo} --retry")
def webhook(
    use_case: UseCaseName,
    retry: Annotated[
        bool, typer.Option("--retry", help="Send the decisions that wait or failed now, all attempts anew.")
    ] = False,
) -> WebhookAnswer:
    """Send the decisions that the webhook still has to get, and show how many wait."""
    from pipelines.authoring import catalog
    from sixtyforty.decisions import webhook as sender
    from sixtyforty.spec.clock import now

    ws, time = catalog.open_workspace(use_case), now()
    if ws.use_case.webhook is None:
        raise SixtyfortyError(f"{use_case} has no webhook. Declare `webhook` in its defs.yaml.")
    if retry:
        sender.retry(ws, time)
    counts = sender.send_due(ws, time)
    text = f"{format_plural(counts.sent, 'decision')} sent, {counts.waiting:,} waiting, {counts.failed:,} failed"
    if counts.problem:
        text += f"\nThe webhook {counts.problem}."
    return WebhookAnswer(
        sent=counts.sent, waiting=counts.waiting, failed=counts.failed, problem=counts.problem, text=text
    )
