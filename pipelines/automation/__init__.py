"""Run work automatically: sensors, schedules, housekeeping and the portfolio job.

It may import `pipelines.runtime`, `pipelines.authoring`, `assets` and `sixtyforty`. Start with `sensors`.
"""
