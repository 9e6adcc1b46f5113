-- Each {{ main.every }} is a unit. `moments` has a row a partition that is decided in: _partition, and starts (UTC).
select _partition, {{ main.of_starts }} as {{ main.unit }} from decision_partitions
