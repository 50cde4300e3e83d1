"""Validate the label configs in requests before they are stored; large ones are parsed in a thread."""

import asyncio
import functools
import logging

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.label_config import check_size, parse_label_config
from label_studio_ml.protocol.requests import Event

logger = logging.getLogger(__name__)

#: Length in characters above which a label config is parsed in a thread, and number of shorter valid ones cached.
LARGE = 64 << 10
MAX_CACHED = 32


async def check_config(xml: str, name: str) -> None:
    """Raise LabelConfigError, with the request's field `name`, if a label config is invalid."""
    try:
        if len(xml) <= LARGE:
            _parse_once(xml)
        else:
            await asyncio.to_thread(parse_label_config, xml)
    except LabelConfigError as error:
        raise LabelConfigError(f"{name}: {error.message}", fix=error.fix, field=name) from None


@functools.lru_cache(maxsize=MAX_CACHED)
def _parse_once(xml: str) -> None:
    """Parse a label config unless it is cached: it is sent whenever a task is opened. Raises LabelConfigError."""
    parse_label_config(xml)


def of_event(event: Event) -> str:
    """Return the label config in an event, empty if it is too large: the event is kept nevertheless."""
    try:
        check_size(event.label_config)
    except LabelConfigError as error:
        logger.warning("Project %s: %s", event.uid, error)
        return ""
    return event.label_config
