"""What a Celery worker runs: `celery -A pipelines.worker worker -Q dagster`. Its processes are forked warm."""

from importlib import import_module

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task

from pipelines.cluster import QUEUE, SETTINGS, Held
from pipelines.launcher import HEAVY
from pipelines.profiles import prepare

app = make_app({"broker": prepare().broker_url, "config_source": SETTINGS, "task_default_queue": QUEUE})
execute_job = create_execute_job_task(app, **{"base": Held})  # type: ignore[arg-type]

for name in HEAVY:
    import_module(name)
