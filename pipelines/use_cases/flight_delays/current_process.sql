-- Today's rule of the duty managers: send a standby if at least 30% of the carrier's departures in that scheduled hour
-- were disrupted on the last 28 local days, up to yesterday. Without history, send none. Views: as in features.sql.
with flights as (
    select t.carrier, t.hour, make_date(t.year, t.month, t.day) as d, t.time_hour + to_minutes(t.minute) as sched,
        (m.dep_delay is null or m.dep_delay >= 30)::int as disrupted
    from timetable t
    left join (select * from movements where event = 'departure') m
        using (year, month, day, carrier, flight, origin)
),
reported as (select _partition::date as d, max(known_at) as last_report from movements group by all),
days as (
    select carrier, hour, d, sum(disrupted)::double as disrupted, count(*)::double as flights
    from flights join reported using (d) where sched < last_report group by all
    union all
    select distinct carrier, hour, local(decided_at - interval 1 hour)::date, 0, 0 from units
),
rates as (
    select carrier, hour, d, sum(sum(disrupted)) over w / nullif(sum(sum(flights)) over w, 0) as rate
    from days group by carrier, hour, d
    window w as (partition by carrier, hour order by d range between interval 28 day preceding and interval 1 day preceding)
)
select u.year, u.month, u.day, u.carrier, u.flight, u.origin,
    case when rate >= 0.30 then 'standby' else 'none' end as action
from units u
left join rates on rates.carrier = u.carrier and rates.hour = u.hour and rates.d = local(u.decided_at - interval 1 hour)::date
