"""Processes of the operating system: start them, guard them, and find those that were left behind."""
