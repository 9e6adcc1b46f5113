-- TODO What is done today, without a model: one row a unit, its key and `action`, one of kpi.actions. Ask those who decide;
-- without it nothing can be claimed. Take this word out when it is written. Views: as in features.sql.
select {{ key | join(", ") }}, 'none' as action
from units
