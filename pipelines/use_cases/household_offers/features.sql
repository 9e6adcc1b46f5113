-- A household's purchases before the morning of the decision: all baskets of the twelve weeks before that day.
-- Views: `units` (the eligible households, with `_partition`, the day) and `baskets`, as in units.sql.
-- Spend is in dollars; `usual`, `last4`, `middle4`, `first4` and `fallen` are sums over four weeks.
-- Returns one row per unit: its key, then the features. The model doesn't see columns whose name starts with _.
-- The rules in expectations/household_offers/features.yaml use them.
with trips as (  -- exact decimals, because a sum of doubles depends on the order of its terms
    select household_id, basket_id, local(min(transaction_timestamp))::date as day,
        sum(sales_value::decimal(12, 2)) as spend, sum(retail_disc::decimal(12, 2)) as discounts,
        sum((coupon_disc + coupon_match_disc)::decimal(12, 2)) as coupons
    from baskets group by all
),
recent as (
    select u._partition, u.household_id, date_diff('day', day, u._partition::date) as ago, spend, discounts, coupons
    from units u join trips t using (household_id)
    where day >= u._partition::date - 84 and day < u._partition::date
),
summed as (
    select _partition, household_id, (sum(spend) / 3)::double as usual, count(*) as trips, min(ago) as days_since,
        avg(spend) as basket, sum(discounts)::double as discounts, sum(coupons)::double as coupons,
        [coalesce(sum(spend) filter (ago between 1 and 7), 0), coalesce(sum(spend) filter (ago between 8 and 14), 0),
         coalesce(sum(spend) filter (ago between 15 and 21), 0), coalesce(sum(spend) filter (ago between 22 and 28), 0),
         coalesce(sum(spend) filter (ago between 29 and 35), 0), coalesce(sum(spend) filter (ago between 36 and 42), 0),
         coalesce(sum(spend) filter (ago between 43 and 49), 0), coalesce(sum(spend) filter (ago between 50 and 56), 0),
         coalesce(sum(spend) filter (ago between 57 and 63), 0), coalesce(sum(spend) filter (ago between 64 and 70), 0),
         coalesce(sum(spend) filter (ago between 71 and 77), 0), coalesce(sum(spend) filter (ago between 78 and 84), 0)
        ]::double[] as weeks
    from recent group by all
),
-- If the extract of a week is missing or rejected, every household looks lost: the current process then decides.
imported as (
    select u._partition, count(distinct b._partition) as _weeks
    from (select distinct _partition from units) u
    join (select distinct _partition from baskets) b
        on b._partition::date >= u._partition::date - 84 and b._partition < u._partition
    group by all
)
select u._partition, u.household_id,
    usual, list_sum(weeks[1:4]) as last4, list_sum(weeks[5:8]) as middle4, list_sum(weeks[9:12]) as first4,
    usual - list_sum(weeks[1:4]) as fallen, trips, days_since, basket, list_stddev_pop(weeks) as spread,
    len(list_filter(weeks, lambda w: w = 0)) as idle_weeks, discounts, coupons,
    weeks[1] as w1, weeks[2] as w2, weeks[3] as w3, weeks[4] as w4, weeks[5] as w5, weeks[6] as w6,
    weeks[7] as w7, weeks[8] as w8, weeks[9] as w9, weeks[10] as w10, weeks[11] as w11, weeks[12] as w12,
    _weeks
from units u
join summed using (_partition, household_id)
join imported using (_partition)
