"""There are two tracks, and their names are part of paths and tables."""

from __future__ import annotations

from typing import get_args

from sixtyforty.spec.track import Track


def test_the_tracks_are_replay_and_live() -> None:
    assert get_args(Track) == ("replay", "live")
