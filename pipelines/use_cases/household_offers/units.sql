-- Whom the decision is about: households with three baskets or more in the twelve weeks before the day.
-- Views: moments (a row a week that is asked about: `_partition`, its first day, and `starts`, its first moment, UTC)
-- and baskets (the lines of the twelve weeks before it, a row a product in a basket).
select m._partition, b.household_id
from decision_partitions m
join (select household_id, local(min(transaction_timestamp))::date as day from baskets group by household_id, basket_id) b
    on b.day >= m._partition::date - 84 and b.day < m._partition::date
group by all
having count(*) >= 3
