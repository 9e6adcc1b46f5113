"""Equal texts of a column become one object."""

from __future__ import annotations

import pandas as pd

from sixtyforty.value.shared_texts import share_texts


def test_equal_texts_are_one_object_and_nulls_stay() -> None:
    texts = ["".join(["a", "ct"]) for _ in range(3)]
    shared = share_texts(pd.Series([*texts, None, "wait"], dtype=object))
    assert shared.tolist()[:3] == texts and shared[4] == "wait"
    assert pd.isna(shared[3])
    assert len({id(text) for text in shared[:3]}) == 1 < len({id(text) for text in texts})
    assert share_texts(pd.Series([], dtype=object)).tolist() == []
