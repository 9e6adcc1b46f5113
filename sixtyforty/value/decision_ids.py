"""Create and parse decision ids. The same use case, track, partition and unit key always give the same id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.partitions import KEY
from sixtyforty.spec.track import Track

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HASH_DIGITS = 12
DECISION_ID = re.compile(rf"(live|replay)-({KEY})-[0-9a-f]{{{HASH_DIGITS}}}", re.ASCII)


class DecisionIdError(SixtyfortyError):
    """A text that is not a decision id."""


def make_decision_ids(use_case: str, track: Track, partition: str, keys: Iterable[Sequence[Any]]) -> list[str]:
    """Return the decision id for each unit key, in order: `<track>-<partition>-<hash>`.

    An id depends only on the arguments, so every run gives the same ids.
    """
    prefix = join_escaped([use_case, track])
    return [
        f"{track}-{partition}-" + hashlib.sha256(f"{prefix}|{join_escaped(key)}".encode()).hexdigest()[:HASH_DIGITS]
        for key in keys
    ]


def join_escaped(values: Iterable[Any]) -> str:
    """Join values with `|`. A `|` inside a value is escaped, so that two different lists never give the same text."""
    texts = [str(part) for part in values]
    joined = "|".join(texts)
    if "\\" in joined or joined.count("|") >= len(texts):  # values rarely need escaping
        return "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)
    return joined


def hash_numbers(decision_ids: Iterable[str]) -> NDArray[np.int64]:
    """Return the hash at the end of each decision id as a number. It identifies a decision within its partition."""
    import numpy as np

    return np.fromiter((int(decision_id[-HASH_DIGITS:], 16) for decision_id in decision_ids), np.int64)


def parse_decision_id(decision_id: str) -> tuple[Track, str]:
    """Return the track and the partition of a decision id. Raises DecisionIdError."""
    match = DECISION_ID.fullmatch(decision_id)
    if not match:
        raise DecisionIdError(
            f"'{decision_id}' is not a decision id. An id looks like this: replay-2013-12-20-1a2b3c4d5e6f"
        )
    track: Track = "live" if match[1] == "live" else "replay"
    return track, match[2]
