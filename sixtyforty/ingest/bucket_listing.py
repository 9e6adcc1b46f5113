"""List an S3-compatible bucket in parts, so that each scan needs only a few requests.

S3 returns pages of 1,000 keys, sorted by key, and each page is a request. The scans of a sensor must need few requests,
so they list the bucket in parts. Each scan lists the next PAGES_PER_SCAN pages, and also all keys after the last known
key. So a scan lists a new object at once if its key sorts last. The number of scans until any other change is listed is
at most the number of keys / (1,000 * PAGES_PER_SCAN). A pass is a series of scans that lists the whole bucket once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sixtyforty.ingest.listing_memory import ListedFile

PAGES_PER_SCAN = 2  # how many pages of known keys a partial listing requests again
AFTER_EVERY_KEY = "\U0010ffff"  # a character that sorts after every character of a key
ListPage = Callable[..., Any]  # a function such as S3's list_objects_v2, which lists one page of keys
ParseObject = Callable[[Mapping[str, Any]], ListedFile]


@dataclass
class BucketListing:
    """The objects of a bucket whose keys may match a glob.

    - pattern: the glob.
    - parse_object: a function that returns a ListedFile for an object, from S3's description of the object.
    - objects: the newest known ListedFile of each object, by key.
    - position: the last key that the current pass has listed; "" if a new pass starts.
    - last_key: of all keys ever listed, the key that sorts last.
    """

    bucket: str
    pattern: str
    parse_object: ParseObject
    objects: dict[str, ListedFile] = field(default_factory=dict)
    position: str = ""
    last_key: str = ""

    def refresh(self, list_page: ListPage, is_partial: bool) -> dict[str, ListedFile]:
        """List the objects of the bucket, and return a ListedFile for each of them, by key.

        list_page: a function that requests one page from S3.
        is_partial: list only the next few pages of the current pass, and the keys after the last known key. Other
        objects are returned as earlier scans listed them. If no object is known yet, all objects are listed.
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
            # The next partial listing only needs the keys after these objects. Then a new pass starts.
            self.position = max(self.objects, default="")
        self.last_key = max(self.last_key, *self.objects, "")
        return self.objects

    def _list_after(self, list_page: ListPage, after: str, page_count: int | None) -> tuple[dict[str, ListedFile], str]:
        """List the objects after a key, and return them with the last key listed, or with "" if no more objects follow.

        page_count: the largest number of pages to list; None: all pages.
        """
        prefix = re.split(r"[*?[]", self.pattern, maxsplit=1)[0]
        is_nested = "/" in self.pattern[len(prefix) :] or "**" in self.pattern
        request = {"Bucket": self.bucket, "Prefix": prefix} | ({} if is_nested else {"Delimiter": "/"})
        listed: dict[str, ListedFile] = {}
        for _ in itertools.count() if page_count is None else range(page_count):
            page = list_page(**request, StartAfter=after)
            objects = {described["Key"]: self.parse_object(described) for described in page.get("Contents", [])}
            listed |= objects
            if not page["IsTruncated"]:
                return listed, ""
            folders = [folder["Prefix"] + AFTER_EVERY_KEY for folder in page.get("CommonPrefixes", [])]
            after = max([*objects, *folders])
        return listed, after
