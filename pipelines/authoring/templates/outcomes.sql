-- TODO The outcome of each unit. Returns one row per unit: its key, `outcome` and `known_at`.
-- `outcome` is 1 or 0, and null while it isn't known. `known_at` is the UTC time at which it became known.
-- Views: as in features.sql, over the unit's own partition and the outcome_horizon_partitions after it.
-- Remove the word TODO when this file is done.
{% if main and main.is_unit_per_partition %}
select u._partition, u.{{ main.time_column }}, null::integer as outcome, s.known_at
from units u left join {{ main.name }} s on s._partition = u._partition
{% else %}
select {{ key | join(", ") }}, null::integer as outcome, null::timestamp as known_at
from units
{% endif %}
