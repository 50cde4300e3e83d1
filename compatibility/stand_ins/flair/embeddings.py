"""Embeddings that embed nothing."""


class TokenEmbeddings:
    def __init__(self, *args, **kwargs):
        pass


WordEmbeddings = FlairEmbeddings = StackedEmbeddings = TokenEmbeddings
