"""The registry of loaded models: which version each project is served by, and in which process."""
