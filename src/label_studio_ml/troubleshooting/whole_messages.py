"""Tell whether a line is a whole message with any values, in time linear in the line."""

import re
from collections.abc import Callable

from label_studio_ml.troubleshooting.message_templates import VALUE, Template

#: What may follow a message: a full stop, a bracket, a blank.
_END = re.compile(r"\W*\Z")


def whole_message(template: Template) -> Callable[[str], bool]:
    """Return a function that tells whether a line in lower case is this message, with or without its fix.

    Each value of the message stands for one character or more.
    """
    message, fix = template.message.lower(), template.fix.lower()
    forms = [message, f"{message}. {fix}"] if fix else [message]
    parts = [form.split(VALUE) for form in forms]
    return lambda line: any(_consists_of(line, fixed) for fixed in parts)


def _consists_of(line: str, fixed: list[str]) -> bool:
    """Tell whether `line` is the texts `fixed`, with one character or more between two of them.

    The first place of each text is taken: if a later one fits, the first one does, too, as anything may stand between.
    """
    first, *rest = fixed
    if not line.startswith(first):
        return False
    if not rest:
        return _is_end(line[len(first) :])
    *middle, last = rest
    place = len(first)
    for text in middle:
        place = line.find(text, place + 1)
        if place < 0:
            return False
        place += len(text)
    end = line.rfind(last)
    return end > place and _is_end(line[end + len(last) :])


def _is_end(text: str) -> bool:
    return _END.match(text) is not None
