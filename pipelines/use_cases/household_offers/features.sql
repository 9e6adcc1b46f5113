-- A household's shopping as it looked on the morning of the day: every basket dated before it, twelve weeks back.
-- Views: units (the households asked about, by `_partition`, the day) and baskets, as in units.sql. Spend is in dollars,
-- `usual` and what is compared with it over four weeks. One row a unit comes out: its key, then the features; a name
-- that begins with _ is for the gate (expectations/household_offers/features.yaml), not for the model.
with trips as (  -- exact decimals: sums of doubles differ by the order they are added in
    select household_id, basket_id, local(min(transaction_timestamp))::date as day,
        sum(sales_value::decimal(12, 2)) as spend, sum(retail_disc::decimal(12, 2)) as discounts,
        sum((coupon_disc + coupon_match_disc)::decimal(12, 2)) as coupons
    from baskets group by all
),
seen as (
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
    from seen group by all
),
-- A week whose extract is missing or was refused makes everybody look lost: then the current process decides.
heard as (
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
join heard using (_partition)
