-- Each {{ main.every }} is a unit. Returns one row per unit: _partition and the key.
-- `decision_partitions` has one row per partition with a decision: _partition and starts_at (UTC).
select _partition, {{ main.partition_unit_sql }} as {{ main.time_column }} from decision_partitions
