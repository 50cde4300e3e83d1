"""The text of a number or truth value in the data of a task, as Label Studio's page shows it in a `<Text>`."""

import json
import math
from decimal import Decimal

#: Power of ten below which a browser writes a fraction with an exponent (ECMAScript, Number::toString).
_LEAST = -6
#: The largest whole number up to which a browser keeps all exact (ECMAScript, Number.MAX_SAFE_INTEGER).
_MAX_SAFE = 2**53 - 1


def shown_number(value: int | float) -> str:
    """Return a number as the page shows it, such as `1` for 1.0 or `true`. Raises ValueError if it is not finite.

    Of a number beyond the whole numbers that a browser keeps exact, with a fraction or not, the page shows the JSON
    that Label Studio sent, which Python has written: `1e+16` for 1e16.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("The number is not finite")
    if isinstance(value, int) or abs(value) > _MAX_SAFE:
        return json.dumps(value)
    shortest = Decimal(repr(value)).normalize()
    if not shortest:
        return "0"  # also of -0.0
    return format(shortest, "f" if shortest.adjusted() + 1 > _LEAST else "e")
