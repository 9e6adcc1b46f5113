"""The Celery application of a cluster's worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import ROOT

pytest.importorskip("dagster_celery")


def test_a_worker_has_the_locked_task_its_queue_and_the_heavy_libraries(tmp_path: Path, bucket: str) -> None:
    code = (
        "import sys; from pipelines.runtime import celery_worker as w, cluster;"
        " print(isinstance(w.execute_job, cluster.LockedRunTask), w.app.conf.task_default_queue,"
        " w.app.conf.task_acks_late, w.app.conf.broker_url, 'great_expectations' in sys.modules)"
    )
    settings = {
        "SIXTYFORTY_HOME": str(tmp_path),
        "SIXTYFORTY_PROFILE": "cluster",
        "SIXTYFORTY_DATABASE_URL": "postgresql://db/x",
        "SIXTYFORTY_BROKER_URL": "redis://broker",
        "SIXTYFORTY_LAKE": f"s3://{bucket}/lake",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "dagster", "True", "redis://broker", "True"]
