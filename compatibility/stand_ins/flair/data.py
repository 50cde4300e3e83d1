"""Sentences whose capitalized words become entities once a classifier has seen them."""


class Sentence:
    def __init__(self, text):
        self.text, self.predicted = text, False

    def to_dict(self, tag_type=None):
        entities, position = [], 0
        for word in self.text.split() if self.predicted else ():
            start = self.text.index(word, position)
            position = start + len(word)
            if word[0].isupper():
                labels = [{"value": "PER", "confidence": 0.75}]
                entities.append({"text": word, "start_pos": start, "end_pos": position, "labels": labels})
        return {"text": self.text, "entities": entities}
