-- TODO The action of the current process, without a model. Returns one row per unit: its key and `action`, one of
-- kpi.actions. Ask the people who decide: the gain is measured against this action. Views: as in features.sql.
-- Remove the word TODO when this file is done.
select {{ key | join(", ") }}, 'none' as action
from units
