-- TODO Select the action of the current process, without a model: one row per unit, with its key and `action`, one of
-- kpi.actions. Ask the people who decide: the gain is measured against this action. The views of features.sql exist here.
-- Remove the word TODO when this file is done.
select {{ key | join(", ") }}, 'none' as action
from units
