"""Going round a bucket a few pages at a time shows all of it, however it changes meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.bucket_listing import PAGES_PER_SCAN, BucketListing

PAGE = 3
NAMES = st.sampled_from([f"out/{n}" for n in ("a1", "a2", "a3", "b/1", "b/2", "b/3", "b/4", "b/5", "c1", "c2", "d/1")])
CHANGES = st.lists(st.tuples(NAMES, st.sampled_from(["put", "remove", "look", "whole"])), max_size=40)


class Store:
    """S3's listing as its manual has it: by name, folders rolled up and counted, a few a page."""

    def __init__(self) -> None:
        self.objects: dict[str, int] = {}
        self.asked = 0

    def list(self, Bucket: str, Prefix: str, StartAfter: str = "", Delimiter: str = "") -> dict[str, Any]:
        assert Bucket == "shop"
        self.asked += 1
        contents: list[dict[str, Any]] = []
        folders: list[str] = []
        for key in sorted(k for k in self.objects if k.startswith(Prefix) and k > StartAfter):
            folder = Prefix + key[len(Prefix) :].split(Delimiter)[0] + Delimiter if Delimiter else ""
            rolled = bool(folder) and Delimiter in key[len(Prefix) :]
            if rolled and folder in folders:
                continue
            if len(contents) + len(folders) == PAGE:
                return {"Contents": contents, "CommonPrefixes": [{"Prefix": f} for f in folders], "IsTruncated": True}
            if rolled:
                folders.append(folder)
            else:
                contents.append({"Key": key, "ETag": self.objects[key]})
        return {"Contents": contents, "CommonPrefixes": [{"Prefix": f} for f in folders], "IsTruncated": False}


def shown(found: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {key: about["ETag"] for key, about in found.items()}


@given(changes=CHANGES, deep=st.booleans())
def test_whatever_changes_in_between_a_round_later_all_is_seen(changes: list[tuple[str, str]], deep: bool) -> None:
    store, listing = Store(), BucketListing("shop", "out/**" if deep else "out/*")

    def truth() -> dict[str, int]:
        return {k: v for k, v in store.objects.items() if deep or k.count("/") == 1}

    for number, (name, what) in enumerate(changes):
        match what:
            case "put":
                store.objects[name] = number
            case "remove":
                store.objects.pop(name, None)
            case "look":
                listing.refresh(store.list, is_partial=True)
            case _:
                assert shown(listing.refresh(store.list, is_partial=False)) == truth()
    for _ in range(11 // (PAGE * PAGES_PER_SCAN) + 2):  # the round it is in, and a whole one
        store.asked = 0
        found = listing.refresh(store.list, is_partial=True)
    assert shown(found) == truth()


def test_a_look_asks_for_a_few_pages_however_many_there_are_and_always_for_what_is_last() -> None:
    store, listing = Store(), BucketListing("shop", "out/*")
    store.objects = {f"out/{i:03}": i for i in range(200)}
    listing.refresh(store.list, is_partial=True)
    for new in range(200, 230):
        store.objects[f"out/{new:03}"], store.asked = new, 0
        assert f"out/{new:03}" in listing.refresh(store.list, is_partial=True)
        assert store.asked <= PAGES_PER_SCAN + 1
