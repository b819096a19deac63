"""Numbers as a person reads them; what is not known is a dash and never a number."""

from tunix_ml.contracts.metrics import METRICS

UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_MINUTE_S, _HOUR_S = 60, 3_600
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_SMALLEST_PLAIN_P, _SMALLEST_P = 0.001, 1e-300


def percent(share: float | None, *, decimals: int = 1) -> str:
    """Return a share as a percentage without its sign, `75.0`."""
    return UNKNOWN if share is None else f"{100 * share:.{decimals}f}"


def points(difference: float | None, *, decimals: int = 1) -> str:
    """Return a difference of two shares in percentage points with its sign, `+21.5`."""
    if difference is None:
        return UNKNOWN
    text = f"{100 * difference:+.{decimals}f}"
    return text.replace("-", _MINUS) if float(text) else f"{0:.{decimals}f}"


def count(number: int | None) -> str:
    """Return a whole number with its thousands apart, `1,002`."""
    return UNKNOWN if number is None else f"{number:,}"


def decimal(value: float | None, *, decimals: int) -> str:
    """Return a number with so many decimals."""
    return UNKNOWN if value is None else f"{value:,.{decimals}f}"


def compact(number: float | None) -> str:
    """Return a large number in three figures, `124 k` or `1.70 B`."""
    if number is None:
        return UNKNOWN
    for scale, suffix in _SCALES:
        if abs(number) >= scale:
            return f"{_three_figures(number / scale)} {suffix}"
    return f"{number:,.0f}"


def short(value: float | None) -> str:
    """Return a number in four figures, for ticks and single values."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Return wall time in its two largest units, `5 min 53 s`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    return f"{whole // _HOUR_S:,} h {whole % _HOUR_S // _MINUTE_S:02d} min"


def p_equals(p_value: float) -> str:
    """Return a p-value with its sign, `= 0.034`, `= 3e-45` or `< 1e-300`."""
    if p_value < _SMALLEST_P:
        return f"< {_SMALLEST_P:.0e}"
    if p_value >= _SMALLEST_PLAIN_P:
        return f"= {p_value:.3f}"
    return f"= {p_value:.0e}".replace("e-0", "e-")


def in_unit(metric: str, value: float | None, *, is_signed: bool = False) -> str:
    """Return a metric's value, or a difference of two, with its unit; an undeclared one has none."""
    declared = METRICS.get(metric)
    if value is None or declared is None:
        return short(value)
    if declared.is_share:
        return f"{points(value)} points" if is_signed else f"{percent(value)} %"
    sign = "+" if is_signed and value > 0 else ""
    return f"{sign}{short(value)} {declared.unit}"


def _three_figures(value: float) -> str:
    magnitude = abs(value)
    decimals = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2
    return f"{value:.{decimals}f}"
