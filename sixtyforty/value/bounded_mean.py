"""A confidence sequence for the mean of values within declared bounds, however skewed the values are.

Values that may be extreme but haven't occurred yet make other intervals too narrow. Here, the declared bounds say how
extreme they can be. The sequence holds for any distribution within the bounds and any number of values.

Sources:

- The empirical Bernstein sequence: Howard, Ramdas, McAuliffe & Sekhon (2021), "Time-uniform, nonparametric,
  nonasymptotic confidence sequences", Annals of Statistics 49(2), theorem 4. Its prediction of each value is the number
  within the bounds that is nearest to 0, so sums are enough.
- The stitched boundary: theorem 1 in the same source, with eta = 2 and s = 1.4.
"""

from __future__ import annotations

import math
from typing import Any

ETA, EXPONENT = 2.0, 1.4


def bounded_reach(number: Any, total: Any, squares: Any, bounds: tuple[float, float], error: float) -> Any:
    """Return half of the width of a mean's interval.

    number, total, squares: the number of values, their sum and the sum of their squares, arrays of the same shape.
    bounds: the smallest and the greatest possible value. error: the probability that the interval ever misses the mean.
    """
    import numpy as np

    low, high = bounds
    span, predicted = high - low, min(max(0.0, low), high)
    variation = (squares - 2 * predicted * total + predicted**2 * number) / span**2
    return span * stitched_boundary(np.maximum(variation, 1.0), error / 2) / np.maximum(number, 1)


def stitched_boundary(variation: Any, error: float, least: float = 1.0, scale: float = 1.0) -> Any:
    """Return what a sum with this variation, of sub-gamma terms, ever exceeds with a probability of at most `error`.

    variation: at least `least`, where the boundary starts. scale: the scale of the terms.
    """
    import numpy as np
    from scipy.special import zeta

    epoch = np.log(ETA * variation / least) / math.log(ETA)
    level = EXPONENT * np.log(epoch) + math.log(zeta(EXPONENT) / error)
    k1, k2 = (ETA**0.25 + ETA**-0.25) / math.sqrt(2), (math.sqrt(ETA) + 1) / 2
    return np.sqrt(k1**2 * variation * level + (k2 * scale * level) ** 2) + k2 * scale * level
