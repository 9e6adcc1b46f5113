-- Features of a scheduled departure, from what was known at `decided_at` (a full UTC hour).
-- Views: `units` (the departures to decide about, with decided_at), and timetable, movements and weather of the lookback
-- and the day itself, each with known_at and _partition. Returns one row per unit: its key, then the features.
-- The model doesn't see columns whose name starts with _. The rules in expectations/flight_delays/features.yaml use them.
with flights as (
    select t.*, t.time_hour + to_minutes(t.minute) as sched, make_date(t.year, t.month, t.day) as d, m.dep_delay,
        m.event_hour
    from timetable t
    left join (select * from movements where event = 'departure') m
        using (year, month, day, carrier, flight, origin)
),
due as (
    -- Rates end with "yesterday": the last day that had ended half an hour before the decision. A flight just after
    -- midnight is decided the evening before, so its "yesterday" is one day earlier.
    select *, time_hour + to_minutes(minute) as sched, local(decided_at - interval 1 hour)::date as today,
        date_trunc('hour', time_hour) as sched_hour
    from units
),
-- The last message of each day. If a day's messages stopped or were rejected, later departures are unknown, not late.
reported as (select _partition::date as d, max(known_at) as last_report from movements group by all),
-- A departure that still has no message is late already or cancelled: it counts as disrupted.
days as (
    select carrier, origin, dest, hour, d, sum((dep_delay is null or dep_delay >= 30)::int)::double as s, count(*)::double as n
    from flights join reported using (d) where sched < last_report group by all
    union all
    select distinct carrier, origin, dest, hour, today, 0, 0 from due
),
r_carrier as (select carrier, d, sum(sum(s)) over w / nullif(sum(sum(n)) over w, 0) as r_carrier from days group by carrier, d
    window w as (partition by carrier order by d range between interval 28 day preceding and interval 1 day preceding)),
r_origin_hour as (select origin, hour, d, sum(sum(s)) over w / nullif(sum(sum(n)) over w, 0) as r_origin_hour from days group by origin, hour, d
    window w as (partition by origin, hour order by d range between interval 28 day preceding and interval 1 day preceding)),
r_carrier_hour as (select carrier, hour, d, sum(sum(s)) over w / nullif(sum(sum(n)) over w, 0) as r_carrier_hour from days group by carrier, hour, d
    window w as (partition by carrier, hour order by d range between interval 28 day preceding and interval 1 day preceding)),
r_origin_carrier as (select origin, carrier, d, sum(sum(s)) over w / nullif(sum(sum(n)) over w, 0) as r_origin_carrier,
        sum(sum(s)) over w7 / nullif(sum(sum(n)) over w7, 0) as r_origin_carrier_7 from days group by origin, carrier, d
    window w as (partition by origin, carrier order by d range between interval 28 day preceding and interval 1 day preceding),
        w7 as (partition by origin, carrier order by d range between interval 7 day preceding and interval 1 day preceding)),
r_route as (select origin, dest, d, sum(sum(s)) over w / nullif(sum(sum(n)) over w, 0) as r_route from days group by origin, dest, d
    window w as (partition by origin, dest order by d range between interval 28 day preceding and interval 1 day preceding)),
r_origin as (select origin, d, sum(sum(s)) over w / nullif(sum(sum(n)) over w, 0) as r_origin_7 from days group by origin, d
    window w as (partition by origin order by d range between interval 7 day preceding and interval 1 day preceding)),
r_all as (select d, sum(sum(s)) over w7 / nullif(sum(sum(n)) over w7, 0) as r_all_7 from days group by d
    window w7 as (order by d range between interval 7 day preceding and interval 1 day preceding)),
-- Departures scheduled in the hours before hour h, as known at h: a delay is at most the time since the schedule.
so_far_by_hour as (
    select origin, carrier, dest, k, h, least(coalesce(dep_delay, 9999), date_diff('minute', sched, h)) as so_far,
        dep_delay is null or sched + to_minutes(dep_delay) >= h as waiting
    from (select *, date_trunc('hour', sched) + to_hours(k) as h from flights, (values (1), (2), (3), (4)) v(k))
    where h in (select decided_at from due)  -- other hours aren't needed
),
at_origin as (
    select origin, h, count(*) as o_n, avg((so_far >= 15)::int) as o_late15, avg((so_far >= 30)::int) as o_late30,
        avg(greatest(-5, least(so_far, 120))) as o_so_far, sum(waiting::int)::int as o_waiting
    from so_far_by_hour where k <= 3 group by all
),
of_carrier as (
    select origin, carrier, h, count(*) as c_n, avg((so_far >= 30)::int) as c_late30,
        avg(greatest(-5, least(so_far, 120))) as c_so_far
    from so_far_by_hour group by all
),
to_dest as (
    select dest, h, count(*) as t_n, avg((so_far >= 30)::int) as t_late30, avg(greatest(-5, least(so_far, 120))) as t_so_far
    from so_far_by_hour group by all
),
everywhere as (
    select h, avg((so_far >= 30)::int) filter (k <= 3) as nyc_late30,
        avg(greatest(-5, least(so_far, 120))) filter (k <= 2) as nyc_so_far from so_far_by_hour group by all
),
-- The feed has stopped if no airport sent a message in three hours, or in one hour with at least ten departures.
silence as (
    select decided_at, true as _silent from (select distinct decided_at from due)
    left join (select date_trunc('hour', sched) + interval 1 hour as decided_at, count(*) as n from flights group by all)
        using (decided_at)
    where decided_at not in (select known_at from movements)
        and (n >= 10 or decided_at - interval 1 hour not in (select known_at from movements)
            and decided_at - interval 2 hour not in (select known_at from movements))
),
-- A departure is reported in the hour of its schedule plus its delay. If this doesn't hold, delays aren't in minutes.
misfit as (
    select event_hour + to_hours(k) as decided_at,
        avg((date_trunc('hour', sched + to_minutes(dep_delay)) <> event_hour)::int) as _misfit
    from flights, (values (1), (2), (3), (4)) v(k) where event_hour is not null group by all
),
load as (select origin, date_trunc('hour', sched) as sched_hour, count(*) as n_sched from flights group by all),
observed as (
    select *, round(sum(precip) over g, 2) as precip3, min(visib) over g as visib3 from weather
    window g as (partition by origin order by time_hour range between interval 3 hour preceding and current row)
),
sky as (  -- the last observation known at h; an observation older than six hours doesn't count
    select m.origin, m.decided_at as h, o.* exclude (origin)
    from (select distinct origin, decided_at from due) m
    asof join observed o on o.origin = m.origin and o.known_at <= m.decided_at
    where o.known_at > m.decided_at - interval 6 hour
)
select a.year, a.month, a.day, a.carrier, a.flight, a.origin,
    a.dest, a.distance, a.hour, dayofweek(make_date(a.year, a.month, a.day)) as weekday, a.minute, n_sched,
    r_carrier, r_origin_hour, r_carrier_hour, r_origin_carrier, r_origin_carrier_7, r_route, r_origin_7, r_all_7,
    o_n, o_late15, o_late30, o_so_far, o_waiting, c_n, c_late30, c_so_far, t_n, t_late30, t_so_far, nyc_late30, nyc_so_far,
    sky.temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib, precip3, visib3,
    coalesce(_silent, false) as _silent, coalesce(_misfit, 0) as _misfit
from due a
left join r_carrier on r_carrier.carrier = a.carrier and r_carrier.d = today
left join r_origin_hour on r_origin_hour.origin = a.origin and r_origin_hour.hour = a.hour and r_origin_hour.d = today
left join r_carrier_hour on r_carrier_hour.carrier = a.carrier and r_carrier_hour.hour = a.hour and r_carrier_hour.d = today
left join r_origin_carrier on r_origin_carrier.origin = a.origin and r_origin_carrier.carrier = a.carrier and r_origin_carrier.d = today
left join r_route on r_route.origin = a.origin and r_route.dest = a.dest and r_route.d = today
left join r_origin on r_origin.origin = a.origin and r_origin.d = today
left join r_all on r_all.d = today
left join at_origin on at_origin.origin = a.origin and at_origin.h = decided_at
left join of_carrier on of_carrier.origin = a.origin and of_carrier.carrier = a.carrier and of_carrier.h = decided_at
left join to_dest on to_dest.dest = a.dest and to_dest.h = decided_at
left join everywhere on everywhere.h = decided_at
left join load on load.origin = a.origin and load.sched_hour = a.sched_hour
left join silence using (decided_at)
left join misfit using (decided_at)
left join sky on sky.origin = a.origin and sky.h = decided_at
