{% if main and main.single %}
-- Features of a {{ main.every }}, from what was known at `decided_at` and nothing later: one row a unit, its key, then the
-- features. Views: units (the key, _partition, starts_at, decided_at), and every source with known_at and _partition, over
-- the lookback. A beginning: what {{ main.source }} last said, and its means of late.
with known as (
    select u._partition, s.* exclude (_partition), row_number() over (partition by u._partition order by s.known_at desc) as _back
    from units u join {{ main.source }} s on s.known_at <= u.decided_at
)
select u._partition, u.{{ main.unit }}, month(local(u.starts_at)) as month, dayofweek(local(u.starts_at)) as weekday{% for slug, sql in main.numbers %},
    max(k.{{ sql }}) filter (_back = 1) as {{ slug }}_1, avg(k.{{ sql }}) filter (_back <= 7) as {{ slug }}_7,
    avg(k.{{ sql }}) filter (_back <= 28) as {{ slug }}_28{% endfor %}

from units u left join known k on k._partition = u._partition
group by u._partition, u.{{ main.unit }}, u.starts_at
{% else %}
-- TODO Features of a unit, from what was known at `decided_at` and nothing later: one row a unit, its key, then the
-- features. Leave out what came to be known later. Take this word out when it is written.
-- Views: units (the rows decided about, with decided_at), and every source with known_at and _partition, over the lookback.
select {{ key | join(", ") }}{% for c in main.rest if main %}, {{ c }}{% endfor %}

from units
{% endif %}
