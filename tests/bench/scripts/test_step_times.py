"""Step times without the seconds of model files."""

from types import SimpleNamespace

import pytest

from bench.scripts import step_times


def test_a_step_excludes_model_files(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([100.0, 101.0, 111.0, 112.0])  # the step starts, the model file starts and ends, the step ends
    monkeypatch.setattr(step_times, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(step_times, "STEP_SECONDS", {})
    with step_times.step("score"), step_times.model_file_access():
        pass
    assert step_times.STEP_SECONDS == {step_times.MODEL_FILES: 10.0, "score": 2.0}
    assert capsys.readouterr().out.split() == ["score", "2.00", "s"]
