"""A listing in parts shows all objects of a bucket, however they change meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.bucket_listing import PAGES_PER_SCAN, BucketListing
from sixtyforty.ingest.listing_memory import ListedFile

PAGE = 3
NAMES = st.sampled_from([f"out/{n}" for n in ("a1", "a2", "a3", "b/1", "b/2", "b/3", "b/4", "b/5", "c1", "c2", "d/1")])
CHANGES = st.lists(st.tuples(NAMES, st.sampled_from(["put", "remove", "look", "whole"])), max_size=40)


class Store:
    """S3's listing: in the order of names, with folders rolled up and counted, a few entries per page."""

    def __init__(self) -> None:
        self.objects: dict[str, int] = {}
        self.request_count = 0

    def list(self, Bucket: str, Prefix: str, StartAfter: str = "", Delimiter: str = "") -> dict[str, Any]:
        assert Bucket == "shop"
        self.request_count += 1
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


def make_listing(pattern: str) -> BucketListing:
    return BucketListing("shop", pattern, lambda object_: ListedFile(object_["Key"], 0, 0, str(object_["ETag"])))


def tags_by_key(objects: dict[str, ListedFile]) -> dict[str, int]:
    return {key: int(file.tag) for key, file in objects.items()}


@given(changes=CHANGES, deep=st.booleans())
def test_every_change_is_seen_after_a_whole_pass(changes: list[tuple[str, str]], deep: bool) -> None:
    store, listing = Store(), make_listing("out/**" if deep else "out/*")

    def expected_tags() -> dict[str, int]:
        return {k: v for k, v in store.objects.items() if deep or k.count("/") == 1}

    for number, (name, action) in enumerate(changes):
        match action:
            case "put":
                store.objects[name] = number
            case "remove":
                store.objects.pop(name, None)
            case "look":
                listing.refresh(store.list, is_partial=True)
            case _:
                assert tags_by_key(listing.refresh(store.list, is_partial=False)) == expected_tags()
    for _ in range(11 // (PAGE * PAGES_PER_SCAN) + 2):  # the round it is in, and a whole one
        store.request_count = 0
        objects = listing.refresh(store.list, is_partial=True)
    assert tags_by_key(objects) == expected_tags()


def test_a_partial_listing_needs_few_requests_and_sees_new_last_names() -> None:
    store, listing = Store(), make_listing("out/*")
    store.objects = {f"out/{i:03}": i for i in range(200)}
    listing.refresh(store.list, is_partial=True)
    for new in range(200, 230):
        store.objects[f"out/{new:03}"], store.request_count = new, 0
        assert f"out/{new:03}" in listing.refresh(store.list, is_partial=True)
        assert store.request_count <= PAGES_PER_SCAN + 1


def test_a_partial_listing_returns_a_known_file_beyond_its_pages_unchanged() -> None:
    store, listing = Store(), make_listing("out/*")
    store.objects = {f"out/{i:03}": i for i in range(20)}
    known = ListedFile("out/015", size=7, mtime_ns=123_456_789, tag="999")
    listing.objects, listing.last_key = {"out/015": known}, "out/015"
    objects = listing.refresh(store.list, is_partial=True)
    assert objects["out/015"] == known
    assert sorted(objects) == [f"out/{i:03}" for i in (*range(PAGE * PAGES_PER_SCAN), *range(15, 20))]
