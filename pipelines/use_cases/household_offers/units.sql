-- The units: households with at least three baskets in the twelve weeks before the day.
-- Views: `decision_partitions` (one row per week with a decision: `_partition`, its first day, and `starts_at`, UTC)
-- and `baskets` (the purchases of the twelve weeks before it, one row per product in a basket).
select m._partition, b.household_id
from decision_partitions m
join (select household_id, local(min(transaction_timestamp))::date as day from baskets group by household_id, basket_id) b
    on b.day >= m._partition::date - 84 and b.day < m._partition::date
group by all
having count(*) >= 3
