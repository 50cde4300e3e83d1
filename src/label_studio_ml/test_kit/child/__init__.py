"""The child process that loads a user's model class and runs the checks on it."""
