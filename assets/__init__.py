"""The chain as Dagster assets: thin wiring around the domain, one file a stage."""
