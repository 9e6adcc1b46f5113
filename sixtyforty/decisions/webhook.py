"""Send delivered decisions to the webhook: signed, in batches, and again after a failure.

A request is signed as in Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 of its id, time and body.
Each decision has an `id`, which names the decision and its revision. If the process is killed after the answer of the
webhook and before its record, the same ids are sent again. A receiver that ignores an id that it knows thus gets each
decision once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sixtyforty.decisions import webhook_outbox as box
from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.decisions.webhook_outbox import OutboxCounts, OutboxKey
from sixtyforty.spec.confinement import is_machine_host
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.operation import Webhook
from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.locks import LockTimeoutError, exclusive_lock
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

TIMEOUTS = (5, 20)  # seconds to connect, and between two bytes of the answer
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
MOST_ATTEMPTS = 12  # with the waits between them, these take about 20 hours
LOCK_SECONDS = 0.1
SHORTEST_SECRET = 24  # characters
LOOPBACK = ("127.0.0.1", "::1", "localhost")
NO_COUNTS = OutboxCounts(0, 0, 0, 0, None)
# Answers that may concern one decision of the batch only.
REFUSED_CONTENT = (400, 413, 422)


class WebhookError(SixtyfortyError):
    """The webhook isn't set up: a variable is missing or wrong. The message doesn't show their contents."""


@dataclass(frozen=True)
class Request:
    """A signed request of some decisions."""

    url: str = field(repr=False)
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """The webhook's answer: its status, or why there was none. wait: how long the receiver asks to wait."""

    status: int = 0
    problem: str = ""
    wait: timedelta = timedelta()

    @property
    def is_confirmed(self) -> bool:
        """Whether the webhook has got the decisions."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return self.problem or f"answered with the status {self.status}"


Post = Callable[[Request], Reply]


def post(request: Request) -> Reply:
    """Send a request, and return the answer. Redirects aren't followed, because they may lead to another server."""
    import requests

    try:
        with requests.post(
            request.url,
            data=request.body,
            headers=dict(request.headers),
            timeout=TIMEOUTS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            wait = answer.headers.get("retry-after", "")
            return Reply(answer.status_code, wait=timedelta(seconds=int(wait) if wait.isdecimal() else 0))
    except requests.RequestException as error:  # its text may show the address, which may hold a token
        return Reply(problem=f"didn't answer ({type(error).__name__})")


def read_webhook(webhook: Webhook) -> tuple[str, list[bytes]]:
    """Return the address and the signing secrets from the environment. Raises WebhookError if one is missing or wrong.

    A secret that begins with `whsec_` is base64, as in Standard Webhooks.
    """
    url, texts = os.environ.get(webhook.url, ""), os.environ.get(webhook.secret, "").split()
    parts = urlsplit(url)
    host = parts.hostname or ""
    if (parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK)) or not host:
        raise WebhookError(f"{webhook.url} holds no https address. Set it to one such as https://ops.example/hook.")
    if is_machine_host(host):
        raise WebhookError(f"{webhook.url} holds a link-local address. Set it to the address of the receiver.")
    if not texts or any(len(text) < SHORTEST_SECRET for text in texts):
        raise WebhookError(
            f"{webhook.secret} holds no secret of at least {SHORTEST_SECRET} characters. Set it to a random one."
        )
    try:
        return url, [_decode(text) for text in texts]
    except binascii.Error as error:
        raise WebhookError(f"{webhook.secret} holds a secret with whsec_ that isn't base64. Correct it.") from error


def _decode(secret: str) -> bytes:
    prefix = "whsec_"
    return (
        base64.b64decode(secret.removeprefix(prefix), validate=True) if secret.startswith(prefix) else secret.encode()
    )


def sign(secret: bytes, request_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a request, version 1 of Standard Webhooks. timestamp: seconds since 1970."""
    signed = f"{request_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}"


def count_decisions(ws: Workspace) -> OutboxCounts:
    """Return how many decisions the webhook has got, and how many wait or failed."""
    with _open_outbox(ws) as (engine, outbox):
        if outbox is None:
            return NO_COUNTS
        with engine.connect() as connection:
            return box.count_outbox(connection, outbox)


def retry(ws: Workspace, now: datetime) -> int:
    """Let all decisions that failed or wait be sent at the next opportunity. Return their number."""
    with _open_outbox(ws) as (engine, outbox):
        if outbox is None:
            return 0
        with engine.begin() as connection:
            return box.retry_failed(connection, outbox, now)


def send_due(ws: Workspace, now: datetime, send: Post = post) -> OutboxCounts:
    """Send all decisions that are due at a time (UTC, naive), in batches. Return the counts afterwards.

    A failed batch is sent again after a wait that doubles from FIRST_WAIT to LONGEST_WAIT, at most MOST_ATTEMPTS times.
    The other batches then wait as well. If the webhook refuses the content of a batch, it gets each half by itself, so
    that one decision can't stop the others. While another process sends, nothing is sent. Once the use case
    is retired, nothing is sent. Raises WebhookError if the address or the secret is missing or wrong.
    """
    webhook = ws.use_case.webhook
    if webhook is None:
        return NO_COUNTS
    with _open_outbox(ws) as (engine, outbox):
        if outbox is None:
            return NO_COUNTS
        if not ws.stage_ledger.is_retired():
            target = read_webhook(webhook)
            try:
                with exclusive_lock(ws.deliveries / ".webhook.lock", "send decisions to the webhook", LOCK_SECONDS):
                    _Sender(ws, engine, outbox, *target, send, now).send_all(webhook.batch_size)
            except LockTimeoutError:
                pass  # the other process sends what is due
        with engine.connect() as connection:
            return box.count_outbox(connection, outbox)


@contextmanager
def _open_outbox(ws: Workspace) -> Iterator[tuple[sa.Engine, sa.Table | None]]:
    """Open the delivery database, and return it with the outbox; None in its place if there is no such table yet."""
    import sqlalchemy as sa

    engine = open_engine(ws.database_url)
    outbox = box.outbox_table(ws.use_case.name, sa.MetaData())
    try:
        yield engine, outbox if sa.inspect(engine).has_table(outbox.name) else None
    finally:
        engine.dispose()


@dataclass(frozen=True)
class _Sender:
    """Sends the decisions of an outbox that are due."""

    ws: Workspace
    engine: sa.Engine
    outbox: sa.Table
    url: str = field(repr=False)
    secrets: Sequence[bytes] = field(repr=False)
    send: Post
    now: datetime

    def send_all(self, batch_size: int) -> None:
        """Send batches until none is due or one fails."""
        while True:
            with self.engine.connect() as connection:
                batch = box.read_due(connection, self.outbox, self.now, batch_size)
            if not batch or not self._send_batch(batch):
                return

    def _send_batch(self, batch: Sequence[OutboxKey]) -> bool:
        """Send one batch, and record the answer. Return whether further batches may follow."""
        delivered = read_deliveries(self.ws, "live", [key.decision_id for key in batch])
        decisions = {OutboxKey(d.decision_id, d.revision): asdict(d) for d in delivered}
        outdated = [key for key in batch if key not in decisions]
        if outdated:  # retention has deleted the row, or a newer revision is in the outbox
            with self.engine.begin() as connection:
                box.remove(connection, self.outbox, outdated)
        keys = [key for key in batch if key in decisions]
        if not keys:
            return True
        reply = self.send(self._sign_request(keys, [decisions[key] for key in keys]))
        if reply.status in REFUSED_CONTENT and len(keys) > 1:
            middle = len(keys) // 2
            return all([self._send_batch(keys[:middle]), self._send_batch(keys[middle:])])
        with self.engine.begin() as connection:
            if reply.is_confirmed:
                box.mark_sent(connection, self.outbox, keys, self.now)
            else:
                self._record_failure(connection, keys, reply)
        return reply.is_confirmed or reply.status in REFUSED_CONTENT

    def _record_failure(self, connection: sa.Connection, keys: Sequence[OutboxKey], reply: Reply) -> None:
        attempts = box.count_attempts(connection, self.outbox, keys)
        wait = max(min(FIRST_WAIT * 2**attempts, LONGEST_WAIT), min(reply.wait, LONGEST_WAIT))
        is_last = attempts + 1 >= MOST_ATTEMPTS
        box.mark_failed(connection, self.outbox, keys, str(reply), None if is_last else self.now + wait)

    def _sign_request(self, keys: Sequence[OutboxKey], decisions: Sequence[Mapping[str, object]]) -> Request:
        """Return the signed request of some decisions. Its time is that of the signature, not `now`."""
        ids = [f"{key.decision_id}:{key.revision}" for key in keys]
        sent = [{"id": decision_id, **decision} for decision_id, decision in zip(ids, decisions, strict=True)]
        content = {"type": "decisions.delivered", "use_case": self.ws.use_case.name, "decisions": sent}
        body = json.dumps(content, default=_format_time, ensure_ascii=False).encode()
        request_id = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        timestamp = int(datetime.now(UTC).timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": request_id,
            "webhook-timestamp": f"{timestamp}",
            "webhook-signature": " ".join(sign(secret, request_id, timestamp, body) for secret in self.secrets),
        }
        return Request(self.url, headers, body)


def _format_time(moment: object) -> str:
    """Return a time (UTC) or a date in ISO 8601."""
    if isinstance(moment, datetime):
        return f"{moment.isoformat()}Z"
    return moment.isoformat() if isinstance(moment, date) else str(moment)
