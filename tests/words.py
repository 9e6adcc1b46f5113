"""The algorithm talk that pages and messages for people who decide must avoid."""

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
FORBIDDEN = re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(w) for w in TALK) + r")(?![\w-])", re.IGNORECASE)
SPOKEN_ATTRIBUTES = ("alt", "title", "aria-label", "placeholder")  # people see or hear them
SILENT_TAGS = ("style", "script", "metadata")  # the last holds a chart's facts about the program that drew it


class _PageReader(HTMLParser):
    """Collects a page's text, its spoken attributes, and the words that charts draw."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.silent_tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT_TAGS:
            self.silent_tags.append(tag)
        self.parts += [text for name, text in attrs if name in SPOKEN_ATTRIBUTES and text]

    def handle_endtag(self, tag: str) -> None:
        if self.silent_tags and self.silent_tags[-1] == tag:
            self.silent_tags.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent_tags:
            self.parts.append(data)

    def handle_comment(self, data: str) -> None:
        # Matplotlib draws words as outlines, and writes them into a comment.
        self.handle_data(data)


def read_words(page: str) -> str:
    """Return the words of a page (HTML) or of a plain text, in one line."""
    reader = _PageReader()
    reader.feed(page)
    reader.close()
    return " ".join(" ".join(reader.parts).split())


def find_algorithm_talk(page: str) -> list[str]:
    """Return the algorithm talk in a page or text, each with the words around it."""
    words = read_words(page)
    return [words[max(m.start() - 40, 0) : m.end() + 40] for m in FORBIDDEN.finditer(words)]


def assert_plain(page: str) -> None:
    """Fail if a page (HTML) or text holds algorithm talk, or no words at all."""
    assert len(read_words(page)) > 20, "the page has no words"
    assert not find_algorithm_talk(page), find_algorithm_talk(page)
