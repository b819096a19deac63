"""Student's t distribution for whole degrees of freedom, without a numerical library."""

import math
from statistics import NormalDist

from tunix_ml.contracts.base import ContractError


def t_quantile(confidence: float, *, df: int) -> float:
    """Return the t that a variable with `df` degrees of freedom stays within, on both sides of 0.

    Newton's method from the normal quantile: that lies below t and the probability is concave above 0, so
    that every step goes up until rounding turns one back.

    Raises:
        ContractError: the confidence is not between 0 and 1, or there are no degrees of freedom.
    """
    if not 0 < confidence < 1 or df < 1:
        raise ContractError(
            f"a t quantile needs a confidence in 0..1 and df of 1 or more, got {confidence}, {df}"
        )
    t = step = NormalDist().inv_cdf((1 + confidence) / 2)
    while step > 1e-13 * t:
        step = (confidence - central_probability(t, df=df)) / (2 * _density(t, df))
        t += step
    return t


def central_probability(t: float, *, df: int) -> float:
    """Return the probability of lying between -t and t.

    Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(df))
    cosine_squared = df / (df + t * t)
    is_odd = df % 2
    term = math.sqrt(cosine_squared) if is_odd else 1.0
    terms = []
    for k in range(2 + is_odd, df + 1, 2):
        terms.append(term)
        term *= cosine_squared * (k - 1) / k
    total = math.sin(angle) * math.fsum(terms)
    return (angle + total) * 2 / math.pi if is_odd else total


def _density(t: float, df: int) -> float:
    log_gammas = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return math.exp(log_gammas - (df + 1) / 2 * math.log1p(t * t / df))
