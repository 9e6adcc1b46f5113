"""Run work automatically: sensors, schedules, housekeeping and the portfolio job.

This package may import `pipelines.runtime`, `pipelines.authoring`, `assets` and `sixtyforty`. Start with `sensors`.
"""
