"""Build features and outcomes, train models, value them out of sample and decide their promotion.

The package may import `sixtyforty.value`, `sixtyforty.storage` and `sixtyforty.spec`. Start with `features.py` (the use
case's SQL over the lake) and `leakage.py` (its check). Then follow a model: `training_plan.py` (what it learns from),
`trainer.py` and `model_store.py` (fit and store), `backtest.py` (its money out of sample) and `gate.py` (promotion).
"""
