"""What people who decide never have to read: algorithm talk. For all pages and messages to them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

TALK = (
    "AUC",
    "ROC",
    "F1",
    "RMSE",
    "p-value",
    "log loss",
    "Brier score",
    "confusion matrix",
    "precision",
    "recall",
    "true positive",
    "false positive",
    "false negative",
    "gradient boosting",
    "random forest",
    "decision tree",
    "neural",
    "deep learning",
    "logistic regression",
    "regression",
    "classifier",
    "classification",
    "estimator",
    "scikit-learn",
    "sklearn",
    "hyperparameter",
    "hyper-parameter",
    "learning rate",
    "max_iter",
    "regularization",
    "machine learning",
    "feature importance",
    "feature",
    "features",
    "SHAP",
    "embedding",
    "overfit",
    "overfits",
    "overfitting",
    "training set",
    "training data",
    "test set",
    "cross-validation",
    "walk-forward",
    "backtest",
    "bootstrap",
    "resampling",
    "confidence interval",
    "confidence level",
    "standard error",
    "standard deviation",
    "variance",
    "quantile",
    "percentile",
    "CUPED",
    "treatment effect",
    "null hypothesis",
    "significance",
    "statistically significant",
    "challenger",
    "hash",
    "algorithm",
    "algorithms",
    "threshold",
    "calibrated",
    "calibration",
    "epoch",
    "skops",
    "Parquet",
    "DuckDB",
    "Dagster",
    "DVC",
    "NaN",
)
SAID = re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(w) for w in TALK) + r")(?![\w-])", re.IGNORECASE)
SPOKEN = ("alt", "title", "aria-label", "placeholder")  # attributes that people see or hear
SILENT = ("style", "script", "metadata")  # the last is a chart's, about the program that drew it


class _Read(HTMLParser):
    """What a page says: its text, the attributes that are spoken, and what a chart's comments say is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self.inside.append(tag)
        self.heard += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.heard.append(data)

    def handle_comment(self, data: str) -> None:  # matplotlib draws words as outlines and says them in a comment
        self.handle_data(data)


def spoken(page: str) -> str:
    """The words of a page (HTML), or of a plain text, in a line."""
    reader = _Read()
    reader.feed(page)
    reader.close()
    return " ".join(" ".join(reader.heard).split())


def talk(page: str) -> list[str]:
    """The algorithm talk in a page or text, each with the words around it."""
    said = spoken(page)
    return [said[max(m.start() - 40, 0) : m.end() + 40] for m in SAID.finditer(said)]


def assert_plain(page: str) -> None:
    """Fails where a page (HTML) or text holds algorithm talk, or nothing at all."""
    assert len(spoken(page)) > 20, "there is nothing to read"
    assert not talk(page), talk(page)
