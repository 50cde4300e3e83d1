"""Sentences whose capitalized words become entities once a tagger has seen them."""


class _Label(dict):
    """A label: a dict as newer releases give it, with the attributes of older ones."""

    value, score = property(lambda self: self["value"]), property(lambda self: self["confidence"])


class Token:
    def __init__(self, text, start):
        self.text, self.start_pos, self.end_pos = text, start, start + len(text)
        self.tags = {}

    def add_tag(self, kind, value):
        self.tags[kind] = value


class Sentence:
    def __init__(self, text):
        self.text, self.predicted, self.tokens = text, False, []
        position = 0
        for word in text.split():
            start = text.index(word, position)
            position = start + len(word)
            self.tokens.append(Token(word, start))

    def __iter__(self):
        return iter(self.tokens)

    def get_spans(self, kind):
        return [token for token in self.tokens if kind in token.tags]

    def to_dict(self, tag_type=None):
        entities = []
        for token in self.tokens:
            if self.predicted and token.text[0].isupper():
                labels = [_Label(value="PER", confidence=0.75)]
                place = {"start_pos": token.start_pos, "end_pos": token.end_pos}
                entities.append({"text": token.text, **place, "labels": labels})
        return {"text": self.text, "entities": entities}


class Corpus:
    def __init__(self, train, dev=None, test=None, **kwargs):
        self.train, self.dev, self.test = train, dev or [], test or []

    def make_tag_dictionary(self, tag_type):
        return {token.tags[tag_type] for sentence in self.train for token in sentence.get_spans(tag_type)}
