"""The objects of an S3-compatible bucket, page by page.

S3 lists 1,000 keys a request, in order of their names. A sensor's look, which is patient, is spared most of those: it
goes round the bucket, PAGES requests a look, and always asks for what comes after the last key it knows. So an object
with a new last name is found at once, and anything else that changed within keys / (1,000 * PAGES) looks. A process
begins with what was known before it, and lists everything where nothing was: what it sees lies in memory alone, and
nothing is lost with it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PAGES = 2  # of what is known, that a patient look lists again
LAST = "\U0010ffff"  # no key that begins alike comes after
Ask = Callable[..., Any]  # S3's list_objects_v2


@dataclass
class Round:
    """The objects of `bucket` whose keys may match a glob: S3's words on each, by key, as they were seen."""

    bucket: str
    pattern: str
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    upto: str = ""  # the key up to which the round has come; "": it begins anew

    def look(self, ask: Ask, patient: bool) -> dict[str, dict[str, Any]]:
        """The objects by key: all as they are, or patiently, in part as they were seen some looks ago."""
        begin = self.upto if patient else ""
        found, end = self._listed(ask, begin, PAGES if patient and self.seen else None)
        self.seen = {k: o for k, o in self.seen.items() if k <= begin or (end and k > end)} | found
        if end:
            self.seen |= self._listed(ask, max(end, *self.seen), None)[0]
        self.upto = end
        return self.seen

    def _listed(self, ask: Ask, after: str, pages: int | None) -> tuple[dict[str, dict[str, Any]], str]:
        """The objects after a key, of so many pages or all; and the last key looked at ("": there are no more)."""
        stem = re.split(r"[*?[]", self.pattern, maxsplit=1)[0]
        deep = "/" in self.pattern[len(stem) :] or "**" in self.pattern
        asked = {"Bucket": self.bucket, "Prefix": stem} | ({} if deep else {"Delimiter": "/"})
        found: dict[str, dict[str, Any]] = {}
        for _ in itertools.count() if pages is None else range(pages):
            page = ask(**asked, StartAfter=after)
            objects = {o["Key"]: o for o in page.get("Contents", [])}
            found |= objects
            if not page["IsTruncated"]:
                return found, ""
            after = max([*objects, *(folder["Prefix"] + LAST for folder in page.get("CommonPrefixes", []))])
        return found, after
