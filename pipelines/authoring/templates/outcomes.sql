-- TODO What became of each unit: one row a unit, its key, `outcome` (1 or 0; null while it isn't known) and `known_at`,
-- when it was known. Take this word out when it is written.
-- Views: as in features.sql, over the unit's own partition and the outcome_horizon_partitions after it.
{% if main and main.single %}
select u._partition, u.{{ main.unit }}, null::integer as outcome, s.known_at
from units u left join {{ main.source }} s on s._partition = u._partition
{% else %}
select {{ key | join(", ") }}, null::integer as outcome, null::timestamp as known_at
from units
{% endif %}
