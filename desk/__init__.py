"""The desk: a small web page for the people who decide, review, own and audit. It knows nothing of Dagster."""
