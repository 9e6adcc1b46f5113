"""What a Celery worker runs, forked warm: `celery -A pipelines.runtime.celery_worker worker -Q dagster`."""

from importlib import import_module

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task

from pipelines.runtime.cluster import QUEUE, SETTINGS, Held
from pipelines.runtime.launcher import HEAVY
from pipelines.settings import prepare

app = make_app({"broker": prepare().broker_url, "config_source": SETTINGS, "task_default_queue": QUEUE})
execute_job = create_execute_job_task(app, **{"base": Held})  # type: ignore[arg-type]

for name in HEAVY:
    import_module(name)
