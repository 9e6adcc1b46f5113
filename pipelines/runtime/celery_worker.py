"""The Celery application of a cluster's worker: `celery -A pipelines.runtime.celery_worker worker -Q dagster`.

The worker imports the heavy libraries before it forks, so that each run starts at once.
"""

from importlib import import_module

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task

from pipelines.runtime.cluster import CELERY_SETTINGS, QUEUE, LockedRunTask
from pipelines.runtime.launcher import PRELOADED_MODULES
from pipelines.settings import prepare_dagster_home

app = make_app(
    {"broker": prepare_dagster_home().broker_url, "config_source": CELERY_SETTINGS, "task_default_queue": QUEUE}
)
execute_job = create_execute_job_task(app, **{"base": LockedRunTask})  # type: ignore[arg-type]

for name in PRELOADED_MODULES:
    import_module(name)
