"""The table of generators: which kind of value each tag shows."""

from collections.abc import Callable, Sequence
from typing import Any

from label_studio_ml.samples import dialogues, json_values, label_options, time_series, written_texts
from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.media import audio, drawings, pdf_pages, video
from label_studio_ml.samples.value_context import ValueContext

Generator = Callable[[Use, ValueContext], Any]

#: By attribute, for those that are not what the tag shows.
_BY_ATTRIBUTE: dict[str, Generator] = {
    "audiourl": audio.recording,
    "framerate": lambda use, context: video.DEFAULT_FRAME_RATE,
    "defaultplaybackspeed": lambda use, context: 1,
    "minplaybackspeed": lambda use, context: 0.5,
    "maxmessages": lambda use, context: 20,
    "minmessages": lambda use, context: 1,
    "apiurl": label_options.address,
}

#: By tag. Of several tags that show one field, the first one here decides.
_BY_TAG: dict[str, Generator] = {
    "timeseries": time_series.series,
    "video": video.clip,
    "audio": audio.recording,
    "audioplus": audio.recording,
    "image": drawings.picture,
    "img": drawings.picture,
    "pdf": pdf_pages.document,
    "table": json_values.table,
    "paragraphs": dialogues.paragraphs,
    "dialog": dialogues.dialog,
    "chat": dialogues.chat,
    "list": json_values.ranked_list,
    "taxonomy": label_options.taxonomy,
    "choices": label_options.choices,
    "hypertext": written_texts.hypertext,
    "markdown": written_texts.markdown,
}

_ORDER = {tag: place for place, tag in enumerate(_BY_TAG)}


def generate(uses: Sequence[Use], context: ValueContext) -> Any:
    """Return a value for a field that these places of the label config show; without any, a text."""
    if not uses:
        return written_texts.plain(Use("text", "value", {}), context)
    use = min(uses, key=_rank)
    if use.tag == "video" and use.attribute == "value":
        has_sound = any(other.tag in {"audio", "audioplus"} for other in uses)
        return video.clip(use, context, has_sound=has_sound)
    generator = _generator(use)
    if use.attribute == "valuelist" and use.tag == "image":
        return drawings.pages(use, context)
    return generator(use, context)


def _rank(use: Use) -> int:
    return -1 if use.attribute in _BY_ATTRIBUTE else _ORDER.get(use.tag, len(_ORDER))


def _generator(use: Use) -> Generator:
    if use.attribute in _BY_ATTRIBUTE:
        return _BY_ATTRIBUTE[use.attribute]
    if use.tag.endswith("labels"):
        return label_options.labels
    return _BY_TAG.get(use.tag, written_texts.plain)
