"""The child process of a training, which calls `fit`, and its messages to its parent (`training.worker`)."""
