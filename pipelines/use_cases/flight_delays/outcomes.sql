-- The outcome of a departure: 1 (disrupted) if it left at least 30 minutes late or was cancelled, else 0.
-- Without a message the outcome is null. `known_at` is the UTC time at which the outcome became known.
select u.year, u.month, u.day, u.carrier, u.flight, u.origin,
    case when m.event = 'cancellation' or m.dep_delay >= 30 then 1 when m.dep_delay is not null then 0 end as disrupted,
    m.known_at
from units u
left join (select * from movements where event in ('departure', 'cancellation')) m
    using (year, month, day, carrier, flight, origin)
