"""Confidence sequences: intervals that stay valid however often they are looked at.

Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 52(6). Theorem 2.2; appendix B.2 gives the best rho.
"""

from __future__ import annotations

import math
from typing import Any

CONFIDENCE = 0.95


def sequence_rho(planned: float, confidence: float = CONFIDENCE) -> float:
    """Return the parameter rho of a sequence, so that its interval is narrowest at `planned` observations."""
    from scipy.special import lambertw

    return math.sqrt((-lambertw(-((1 - confidence) ** 2) / math.e, k=-1).real - 1) / planned)


def sequence_reach(observed: Any, freedom: Any, planned: float, confidence: float = CONFIDENCE) -> Any:
    """Return half of the width of a sequence's interval, in standard errors, after some observations.

    observed, freedom: the number of observations and the degrees of freedom of the standard error, arrays of the same
    shape. The asymptotic sequence is sqrt((1 + 1/u) log((u + 1) / alpha²)), where u = observed x rho². It assumes a
    known standard error, so Student's t replaces the normal distribution.
    """
    import numpy as np
    from scipy.stats import norm, t

    scaled = np.asarray(observed, dtype=float) * sequence_rho(planned, confidence) ** 2
    normal = np.sqrt((1 + 1 / scaled) * np.log((scaled + 1) / (1 - confidence) ** 2))
    return t.isf(norm.sf(normal), freedom)
