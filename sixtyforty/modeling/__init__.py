"""Build features and outcomes, train models, measure their value out of sample, and decide their promotion.

The package may import `sixtyforty.value`, `sixtyforty.storage` and `sixtyforty.spec`. Start with `features.py` (the use
case's SQL over the lake) and `leakage.py` (the check of the features). Then follow a model: `training_plan.py` (its
data), `trainer.py` and `model_store.py` (fit and store), `backtest.py` (its value out of sample) and `gate.py`
(promotion).
"""
