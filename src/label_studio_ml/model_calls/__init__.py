"""Build a model of either API generation and call its `predict` and `fit`."""
