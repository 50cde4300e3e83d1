"""A stand-in for transformers: pipelines that count letters, trainers that write down what they were given."""

import json
from pathlib import Path
from types import SimpleNamespace


class _Config(SimpleNamespace):
    @classmethod
    def from_pretrained(cls, name, **kwargs):
        return cls(**{"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "label2id": {}, **kwargs})


AutoConfig = _Config


class _Model:
    def __init__(self, config):
        self.config = config

    @classmethod
    def from_pretrained(cls, name, config=None, **kwargs):
        return cls(config or _Config.from_pretrained(name, **kwargs))

    def to(self, device):
        return self

    def generate(self, ids, num_return_sequences=1, **kwargs):
        """Continue with the first letter, once more in each sequence."""
        import torch

        longest = ids.shape[-1] + num_return_sequences
        rows = [[*map(int, ids[0]), *[int(ids[0][0])] * (n + 1)] for n in range(num_return_sequences)]
        return torch.tensor([row + [32] * (longest - len(row)) for row in rows])


AutoModelForSequenceClassification = AutoModelForTokenClassification = AutoModelForCausalLM = _Model
AutoModel = BertForSequenceClassification = _Model


class _Encoding(dict):
    def __init__(self, texts):
        words = [text if isinstance(text, list) else text.split() for text in texts]
        super().__init__(input_ids=[[len(word) for word in row] for row in words])
        self["attention_mask"] = [[1] * len(row) for row in words]
        self._words = words

    def word_ids(self, batch_index=0):
        return list(range(len(self._words[batch_index])))


class AutoTokenizer:
    pad_token, eos_token, eos_token_id = "[PAD]", " ", 0

    def encode(self, text, **kwargs):
        import torch

        return torch.tensor([[ord(letter) for letter in text]])

    def decode(self, ids, **kwargs):
        return "".join(chr(int(number)) for number in ids)

    @classmethod
    def from_pretrained(cls, name, **kwargs):
        return cls()

    def __call__(self, texts, **kwargs):
        return _Encoding([texts] if isinstance(texts, str) else texts)

    def tokenize(self, text):
        return text.split()

    def save_pretrained(self, folder):
        """There is nothing to save."""


BertTokenizer = AutoTokenizer


class TrainingArguments:
    def __init__(self, **kwargs):
        self.__dict__.update(kwargs)


class Trainer:
    """Counts its examples; save_model writes the labels and that count, which pipelines read."""

    def __init__(self, model=None, args=None, train_dataset=(), **kwargs):
        self.model, self.dataset, self.seen = model, train_dataset, 0

    def train(self):
        self.seen = len(self.dataset)

    def save_model(self, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        labels = [label for _, label in sorted(self.model.config.id2label.items())]
        (Path(folder) / "config.json").write_text(json.dumps({"labels": labels, "seen": self.seen}))


class DataCollatorForTokenClassification:
    def __init__(self, **kwargs):
        pass


class Pipeline:
    """Classifies by the text's length; names what is capitalized; continues a text with its first word."""

    def __init__(self, task, model):
        self.task = task
        saved = Path(str(model)) / "config.json"
        if str(model).startswith((".", "/")) and not saved.is_file():
            raise OSError(f"{model} is no folder of a model")
        known = (
            json.loads(saved.read_text())
            if saved.is_file()
            else {"labels": ["LABEL_0", "LABEL_1"], "seen": 0}
        )
        self.seen = known["seen"]
        self.model = _Model(_Config(id2label=dict(enumerate(known["labels"])), label2id={}))
        self.tokenizer = AutoTokenizer()

    def __call__(self, texts, **kwargs):
        results = [self._one(text, kwargs) for text in ([texts] if isinstance(texts, str) else texts)]
        return results[0] if isinstance(texts, str) and self.task == "ner" else results

    def _one(self, text, kwargs):
        if self.task == "ner":
            return list(_names(text))
        if self.task == "text-generation":
            return {"generated_text": f"{text} {(text.split() or ['nothing'])[0]}"}
        labels = self.model.config.id2label
        return {
            "label": labels[(len(text) + self.seen) % len(labels)],
            "score": 0.5 + min(self.seen, 40) / 100,
        }


def _names(text):
    position = 0
    for number, word in enumerate(text.split()):
        start = text.index(word, position)
        position = start + len(word)
        if word[0].isupper():
            fields = {"entity": "B-PER", "score": 0.75, "index": number, "start": start, "end": position}
            yield {**fields, "word": word}


def pipeline(task, model=None, tokenizer=None, **kwargs):
    return Pipeline(task, model)


def get_cosine_schedule_with_warmup(*args, **kwargs):
    return SimpleNamespace(step=lambda: None)


def set_seed(seed):
    """Nothing is random here."""
