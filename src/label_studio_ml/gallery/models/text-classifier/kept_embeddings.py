"""Embeddings of the texts of a training, kept in its version, so that the next training embeds new texts only."""

import hashlib

import joblib
import numpy


class KeptEmbeddings:
    """Embeddings by a hash of their text, in half precision: about 0.8 kB for each text."""

    def __init__(self, embed, earlier=None):
        """Use `embed(texts)` for texts that the file `earlier`, which `save` has written, does not have."""
        self.embed = embed
        self.earlier, self.rows = {}, {}
        if earlier:
            names, rows = joblib.load(earlier)
            self.earlier = dict(zip(names, rows))

    def of(self, texts):
        """Return the embeddings of texts as an array of shape (texts, dimensions)."""
        names = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        self.rows.update({name: self.earlier[name] for name in names if name in self.earlier})
        new = {name: text for name, text in zip(names, texts) if name not in self.rows}
        if new:
            self.rows.update(zip(new, numpy.asarray(self.embed([*new.values()])).astype(numpy.float16)))
        return numpy.array([self.rows[name] for name in names]).astype(numpy.float32)

    def save(self, path):
        """Write the embeddings that were asked for, without those of other texts."""
        joblib.dump((list(self.rows), numpy.array(list(self.rows.values()))), path)
