"""The training process, and what it exchanges with its worker."""
