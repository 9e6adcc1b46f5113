"""Send the heads of ledgers to an external witness, so that not even the database and the files together can lie.

SIXTYFORTY_WITNESS names the witness:

- the path of a file, to which heads are appended
- an `https://` address, which gets heads by POST
- `command:` and a program, which reads heads from its input

A head is one line of JSON: {use_case, ledger, rows, hash}. Keep the file, or what the address and the program receive,
where the services can't change it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import access_errors, canonical_json

VARIABLE = "SIXTYFORTY_WITNESS"
COMMAND, ADDRESS = "command:", "https://"
TIMEOUT = 30  # seconds


class WitnessError(SixtyfortyError):
    """The external witness can't be used."""


@dataclass(frozen=True, order=True)
class LedgerHead:
    """The state of a ledger: the use case's first name, the ledger's file name, its number of rows, the newest hash."""

    use_case: str
    ledger: str
    rows: int
    hash: str


def witness_address() -> str:
    """Return the witness that the environment names; empty without one. Raises WitnessError for a wrong setting."""
    address = os.environ.get(VARIABLE, "")
    if address and not address.startswith((COMMAND, ADDRESS)) and not Path(address).is_absolute():
        raise WitnessError(f"{VARIABLE} is wrong. Set it to an absolute path, an https:// address, or command:PROGRAM.")
    return address


def send_heads(address: str, heads: Sequence[LedgerHead]) -> None:
    """Send heads to a witness. A file gets only the heads that it lacks. Raises WitnessError if the witness fails."""
    if not address.startswith((COMMAND, ADDRESS)):
        known = set(read_heads(address))
        heads = [head for head in heads if head not in known]
    lines = "".join(f"{canonical_json(asdict(head))}\n" for head in heads).encode()
    if not lines:
        return
    try:
        if address.startswith(COMMAND):
            command = shlex.split(address.removeprefix(COMMAND))
            subprocess.run(command, input=lines, check=True, timeout=TIMEOUT, capture_output=True)
        elif address.startswith(ADDRESS):
            _post(address, lines)
        else:
            with access_errors(address), Path(address).open("ab") as file:
                file.write(lines)
    except (OSError, subprocess.SubprocessError) as error:
        raise WitnessError(
            f"The witness in {VARIABLE} failed ({type(error).__name__}). Check the witness, then run"
            " `sixtyforty verify` again."
        ) from error


def _post(address: str, lines: bytes) -> None:
    """Send lines by POST. Raises OSError without a status of success. Redirects may lead to another server: refused."""
    import requests

    headers = {"Content-Type": "application/x-ndjson"}
    with requests.post(address, lines, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
        if not 200 <= answer.status_code < 300:
            raise requests.HTTPError(f"the witness answered with the status {answer.status_code}")


def read_heads(address: str) -> list[LedgerHead]:
    """Return the heads that a witness file holds; empty for another kind of witness, and for a missing file."""
    if not address or address.startswith((COMMAND, ADDRESS)) or not Path(address).exists():
        return []
    with access_errors(address):
        lines = Path(address).read_text().splitlines()
    try:
        return [LedgerHead(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise WitnessError(f"{address} holds a line that is no head of a ledger. Correct {VARIABLE}.") from error
