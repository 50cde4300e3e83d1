"""The view "Try it": predictions of any version for a task, drawn beside its annotations."""
