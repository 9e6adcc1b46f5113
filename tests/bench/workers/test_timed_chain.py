"""The timed parts of governance: their functions exist, and their seconds add up."""

from types import SimpleNamespace

import pytest

from bench.workers import timed_chain


@pytest.mark.parametrize("name", [name for names in timed_chain.PARTS.values() for name in names])
def test_every_timed_function_exists(name: str) -> None:
    owner, attribute = timed_chain.find_owner(name)
    assert callable(getattr(owner, attribute))


def test_an_unknown_function_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no_such_function"):
        timed_chain.find_owner("assets.data.no_such_function")


def test_the_seconds_of_calls_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(double=lambda number: 2 * number)
    monkeypatch.setattr(timed_chain, "find_owner", lambda name: (module, "double"))
    clock = iter([1.0, 3.0, 10.0, 11.0])
    monkeypatch.setattr(timed_chain, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    seconds: dict[str, float] = {}
    timed_chain.time_function("module.double", "doubling", seconds)
    assert [module.double(1), module.double(2)] == [2, 4]
    assert seconds == {"doubling": 3.0}
