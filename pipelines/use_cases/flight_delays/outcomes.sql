-- What became of a departure: disrupted (1) if it left 30 minutes late or more, or was cancelled. No message, no
-- outcome. `known_at` is when that was known.
select u.year, u.month, u.day, u.carrier, u.flight, u.origin,
    case when m.event = 'cancellation' or m.dep_delay >= 30 then 1 when m.dep_delay is not null then 0 end as disrupted,
    m.known_at
from units u
left join (select * from movements where event in ('departure', 'cancellation')) m
    using (year, month, day, carrier, flight, origin)
