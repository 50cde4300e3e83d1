"""Calls of user code: the child announces them, and the command measures and explains them."""
