"""Listing of an S3-compatible bucket in parts.

S3 lists 1,000 keys per request, in the order of their names. A sensor must need few requests per scan. So it makes a
pass through the bucket, PAGES_PER_SCAN requests at a time, and asks each time for what follows the last known key. An
object with a new last name is seen at once. Any other change is seen within keys / (1,000 * PAGES_PER_SCAN) scans.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PAGES_PER_SCAN = 2  # of the known keys, that a partial listing asks for again
AFTER_EVERY_KEY = "\U0010ffff"  # sorts after any character that a key can continue with
ListPage = Callable[..., Any]  # S3's list_objects_v2


@dataclass
class BucketListing:
    """The objects of a bucket whose keys may match a glob.

    - objects: S3's description of each, by key, as last seen.
    - position: the key up to which the current pass has come; "" if a new pass starts.
    - last_key: the last key that was ever listed.
    """

    bucket: str
    pattern: str
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    position: str = ""
    last_key: str = ""

    def refresh(self, list_page: ListPage, is_partial: bool) -> dict[str, dict[str, Any]]:
        """List the objects, and return them by key.

        A partial listing refreshes the next few pages of the pass and the end; the other objects are returned as they
        were seen in earlier scans. If nothing is known yet, everything is listed.
        """
        if is_partial and self.objects:
            start = self.position
            listed, end = self._list_after(list_page, start, PAGES_PER_SCAN)
            kept = {key: o for key, o in self.objects.items() if key <= start or (end and key > end)}
            self.objects = kept | listed
            if end:
                self.objects |= self._list_after(list_page, max(end, self.last_key, *self.objects), None)[0]
            self.position = end
        else:
            self.objects, _ = self._list_after(list_page, "", None)
            # the next partial listing only needs what follows, then a new pass starts
            self.position = max(self.objects, default="")
        self.last_key = max(self.last_key, *self.objects, "")
        return self.objects

    def _list_after(
        self, list_page: ListPage, after: str, page_count: int | None
    ) -> tuple[dict[str, dict[str, Any]], str]:
        """Return the objects after a key, and the last key that was looked at: "" if no more follow.

        page_count: how many pages are listed; None: all.
        """
        prefix = re.split(r"[*?[]", self.pattern, maxsplit=1)[0]
        is_nested = "/" in self.pattern[len(prefix) :] or "**" in self.pattern
        request = {"Bucket": self.bucket, "Prefix": prefix} | ({} if is_nested else {"Delimiter": "/"})
        listed: dict[str, dict[str, Any]] = {}
        for _ in itertools.count() if page_count is None else range(page_count):
            page = list_page(**request, StartAfter=after)
            objects = {described["Key"]: described for described in page.get("Contents", [])}
            listed |= objects
            if not page["IsTruncated"]:
                return listed, ""
            folders = [folder["Prefix"] + AFTER_EVERY_KEY for folder in page.get("CommonPrefixes", [])]
            after = max([*objects, *folders])
        return listed, after
