"""The command `label-studio-ml`."""
