-- Today's rule: the 250 households whose spend in the last four weeks is furthest below their four-week average of the
-- last twelve weeks. Views: as in features.sql.
with trips as (
    select household_id, local(min(transaction_timestamp))::date as day, sum(sales_value::decimal(12, 2)) as spend
    from baskets group by household_id, basket_id
),
spent as (
    select u._partition, u.household_id, sum(spend) / 3 as usual,
        coalesce(sum(spend) filter (day >= u._partition::date - 28), 0) as last4
    from units u join trips using (household_id)
    where day >= u._partition::date - 84 and day < u._partition::date
    group by all
)
select _partition, household_id,
    case when row_number() over (partition by _partition order by usual - last4 desc, household_id) <= 250
        then 'offer' else 'none' end as action
from spent
