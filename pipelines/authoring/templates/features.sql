{% if main and main.is_unit_per_partition %}
-- Features of a {{ main.every }}, from what was known at `decided_at`. Returns one row per unit: its key, then the features.
-- Views: `units` (the key, _partition, starts_at, decided_at), and every source with known_at and _partition, over the lookback.
-- This draft returns the last known values of {{ main.name }}, and their averages over 7 and 28 rows.
with known as (
    select u._partition, s.* exclude (_partition), row_number() over (partition by u._partition order by s.known_at desc) as _back
    from units u join {{ main.name }} s on s.known_at <= u.decided_at
)
select u._partition, u.{{ main.time_column }}, month(local(u.starts_at)) as month, dayofweek(local(u.starts_at)) as weekday{% for feature, sql in main.numbers %},
    max(k.{{ sql }}) filter (_back = 1) as {{ feature }}_1, avg(k.{{ sql }}) filter (_back <= 7) as {{ feature }}_7,
    avg(k.{{ sql }}) filter (_back <= 28) as {{ feature }}_28{% endfor %}

from units u left join known k on k._partition = u._partition
group by u._partition, u.{{ main.time_column }}, u.starts_at
{% else %}
-- TODO Features of a unit, from what was known at `decided_at`. Returns one row per unit: its key, then the features.
-- Leave out columns that were only known later. Remove the word TODO when this file is done.
-- Views: `units` (the rows to decide about, with decided_at), and every source with known_at and _partition, over the lookback.
select {{ key | join(", ") }}{% for column in main.other_columns if main %}, {{ column }}{% endfor %}

from units
{% endif %}
