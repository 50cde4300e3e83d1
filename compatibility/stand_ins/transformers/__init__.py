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
        self.config, self.seen = config, 0

    @classmethod
    def from_pretrained(cls, name, config=None, **kwargs):
        model = cls(config or _Config.from_pretrained(name, **kwargs))
        saved = Path(str(name)) / "seen.json"
        if saved.is_file():
            model.seen = json.loads(saved.read_text())
        return model

    def to(self, device):
        return self

    def __call__(self, ids, labels=None, **kwargs):
        """Find the class by the text's letters, and by how many examples it was trained with."""
        import numpy as np
        import torch

        logits = np.zeros((len(ids), len(self.config.id2label)), np.float32)
        for row, letters in zip(logits, np.asarray(ids), strict=True):
            row[(int(letters.sum()) + self.seen) % len(row)] = 1.0 + self.seen / 10
        return SimpleNamespace(logits=torch.as_tensor(logits))

    def save_pretrained(self, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "seen.json").write_text(json.dumps(self.seen))

    def generate(self, ids, num_return_sequences=1, **kwargs):
        """Continue with the first letter, once more in each sequence."""
        import torch

        longest = ids.shape[-1] + num_return_sequences
        rows = [[*map(int, ids[0]), *[int(ids[0][0])] * (n + 1)] for n in range(num_return_sequences)]
        return torch.tensor([row + [32] * (longest - len(row)) for row in rows])


AutoModelForSequenceClassification = AutoModelForTokenClassification = AutoModelForCausalLM = _Model
AutoModel = BertForSequenceClassification = ElectraForSequenceClassification = _Model


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

    def encode(self, text, return_tensors=None, **kwargs):
        import torch

        numbers = [ord(letter) for letter in text]
        return torch.tensor([numbers]) if return_tensors == "pt" else numbers

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


BertTokenizer = ElectraTokenizerFast = AutoTokenizer


class TrainingArguments:
    def __init__(self, output_dir="", **kwargs):
        self.__dict__.update(kwargs, output_dir=output_dir)


class Trainer:
    """Counts its examples; save_model writes the labels and that count, which pipelines read."""

    def __init__(self, model=None, args=None, train_dataset=(), **kwargs):
        self.model, self.dataset, self.seen = model, train_dataset, 0

    def train(self):
        self.seen = self.model.seen = len(self.dataset)

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


get_linear_schedule_with_warmup = get_cosine_schedule_with_warmup


def __getattr__(name):
    if name == "AdamW":
        from torch.optim import AdamW

        return AdamW
    raise AttributeError(name)


def set_seed(seed):
    """Nothing is random here."""
