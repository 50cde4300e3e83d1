"""Label configs that requests bring: checked before they are kept, large ones in a thread."""

import asyncio
import functools
import logging

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.labels import check_size, parse_label_config
from label_studio_ml.protocol import Event

logger = logging.getLogger(__name__)

#: Characters from which on a label config is parsed in a thread; and how many smaller ones are remembered as sound.
LARGE = 64 << 10
REMEMBERED = 32


async def check_config(xml: str, name: str) -> None:
    """Raise LabelConfigError, naming the request's field, if a label config cannot be read."""
    try:
        if len(xml) <= LARGE:
            _parse_once(xml)
        else:
            await asyncio.to_thread(parse_label_config, xml)
    except LabelConfigError as error:
        raise LabelConfigError(f"{name}: {error.message}", fix=error.fix, field=name) from None


@functools.lru_cache(maxsize=REMEMBERED)
def _parse_once(xml: str) -> None:
    """Parse a label config, unless it was parsed a short while ago: each opened task brings it. Raises as that does."""
    parse_label_config(xml)


def of_event(event: Event) -> str:
    """Return the label config that an event brings, nothing where it is too large: the event counts all the same."""
    try:
        check_size(event.label_config)
    except LabelConfigError as error:
        logger.warning("Project %s: %s", event.uid, error)
        return ""
    return event.label_config
