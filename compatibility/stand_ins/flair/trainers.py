"""A trainer that writes down how many sentences it was given."""

from pathlib import Path


class ModelTrainer:
    def __init__(self, model, corpus):
        self.corpus = corpus

    def train(self, base_path, **kwargs):
        Path(base_path, "best-model.pt").write_text(str(len(self.corpus.train)))
