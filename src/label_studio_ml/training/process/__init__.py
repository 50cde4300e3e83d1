"""The training process, and the messages between it and its worker."""
