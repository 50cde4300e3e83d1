"""Registration."""


def register_all_modules(*args, **kwargs):
    """There is nothing to register."""
