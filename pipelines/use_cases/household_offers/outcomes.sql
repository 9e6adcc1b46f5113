-- The outcome of a household: the loss in dollars, never negative. It is how far the spend of the four weeks from the day
-- falls below the four-week average of the twelve weeks before. It is null unless all sixteen weeks were imported.
-- `known_at` is the UTC time at which the last of the four weeks had landed.
with trips as (
    select household_id, local(min(transaction_timestamp))::date as day, sum(sales_value::decimal(12, 2)) as spend
    from baskets group by household_id, basket_id
),
spent as (
    select u._partition, u.household_id,
        coalesce(sum(spend) filter (day < u._partition::date), 0) / 3 as usual,
        coalesce(sum(spend) filter (day >= u._partition::date), 0) as since
    from units u join trips using (household_id)
    where day >= u._partition::date - 84 and day < u._partition::date + 28
    group by all
),
imported as (
    select u._partition, count(*) as weeks, max(b.known_at) as known_at
    from (select distinct _partition from units) u
    join (select _partition, max(known_at) as known_at from baskets group by all) b
        on b._partition::date >= u._partition::date - 84 and b._partition::date < u._partition::date + 28
    group by all
)
select _partition, household_id, case when weeks = 16 then greatest(usual - since, 0)::double end as loss, known_at
from spent join imported using (_partition)
