"""Background training: what `fit` is given, and when a training is due."""
