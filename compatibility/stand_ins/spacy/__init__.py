"""A stand-in for spaCy: capitalized words are persons."""

from types import SimpleNamespace


def load(name, **kwargs):
    return _document


def _document(text):
    entities, position = [], 0
    for word in text.split():
        start = text.index(word, position)
        position = start + len(word)
        if word[0].isupper():
            fields = {"start_char": start, "end_char": position, "text": word, "label_": "PERSON"}
            entities.append(SimpleNamespace(**fields))
    return SimpleNamespace(text=text, ents=entities)
