{% if shape == "amount" %}
-- TODO Select the amount of the current process, without a model: one row per unit, with its key and the number `action`.
-- Ask the people who decide: the gain is measured against this action. The views of features.sql exist here.
{% else %}
-- TODO Select the action of the current process, without a model: one row per unit, with its key and `action`, one of
-- kpi.actions. Ask the people who decide: the gain is measured against this action. The views of features.sql exist here.
{% endif %}
-- Remove the word TODO when this file is done.
select {{ key | join(", ") }}, {{ '0' if shape == 'amount' else "'none'" }} as action
from units
