"""Judge whether there are enough observations for the skewness of their values.

Student's t and a confidence sequence assume that a mean is nearly normal. If a few extreme values decide, it is not.

Sources:

- The least number of observations for a skewness: Cochran (1977), Sampling Techniques, section 2.15.
- The standard error of a sample's skewness: Fisher (1930), Proceedings of the Royal Society A 130, pages 16 to 28.
"""

from __future__ import annotations

from typing import Any

COCHRAN_FACTOR = 25


def needed_observations(number: Any, squares: Any, cubes: Any) -> Any:
    """Return the least number of observations for their skewness: COCHRAN_FACTOR x skewness².

    Two standard errors of the skewness of normal data are subtracted, because a small sample is skewed by chance. The
    number is 0 below three observations and for equal values. It is NaN if the sum of the cubes isn't known.

    number: the number of observations. squares, cubes: the sums of the squares and of the cubes of their distances from
    the mean. All have the same shape, and so has the result.
    """
    import numpy as np

    n, total = np.maximum(number, 3.0), np.where(np.asarray(squares) > 0, squares, 1.0)
    with np.errstate(invalid="ignore"):
        skewness = np.abs(cubes) / total**1.5 * n * np.sqrt(n - 1) / (n - 2)
        chance = 2 * np.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
        needed = COCHRAN_FACTOR * np.maximum(skewness - chance, 0.0) ** 2
    return np.where((np.asarray(number) < 3) | ~(np.asarray(squares) > 0), 0.0, needed)
