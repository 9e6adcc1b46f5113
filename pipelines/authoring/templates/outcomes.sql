-- TODO The outcome of each unit. Returns one row per unit: its key, `outcome` and `known_at`.
{% if shape == "amount" %}
-- `outcome` is the amount that would have been right, and null while it isn't known. `known_at` is the UTC time at which it became known.
{% else %}
-- `outcome` is 1 or 0, and null while it isn't known. `known_at` is the UTC time at which it became known.
{% endif %}
{% if shape == "experiment" %}
-- `received` is the action that the unit received in the experiment, and null if it took no part.
{% endif %}
-- Views: as in features.sql, over the unit's own partition and the outcome_horizon_partitions after it.
-- Remove the word TODO when this file is done.
{% if main and main.is_unit_per_partition %}
select u._partition, u.{{ main.time_column }}, null::{{ 'double' if shape == 'amount' else 'integer' }} as outcome,{% if shape == 'experiment' %} null::varchar as received,{% endif %} s.known_at
from units u left join {{ main.name }} s on s._partition = u._partition
{% else %}
select {{ key | join(", ") }}, null::{{ 'double' if shape == 'amount' else 'integer' }} as outcome,{% if shape == 'experiment' %} null::varchar as received,{% endif %} null::timestamp as known_at
from units
{% endif %}
