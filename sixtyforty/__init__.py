"""The domain of Sixtyforty: pure Python, no Dagster, no Great Expectations; one small module a concept."""
