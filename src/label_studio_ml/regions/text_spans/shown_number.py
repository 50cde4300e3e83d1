"""The text of a number or truth value in the data of a task, as Label Studio's page shows it in a `<Text>`."""

import math
from decimal import Decimal

#: Powers of ten between which a browser writes a fraction without an exponent (ECMAScript, Number::toString).
_LEAST, _MOST = -6, 21


def shown_number(value: int | float) -> str:
    """Return a number as the page shows it, such as `1` for 1.0 or `true`. Raises ValueError if it is not finite."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError("The number is not finite")
    shortest = Decimal(repr(value)).normalize()
    if not shortest:
        return "0"  # also of -0.0
    return format(shortest, "f" if _LEAST < shortest.adjusted() + 1 <= _MOST else "e")
