"""Label Studio as a server: its API, and the files that its tasks refer to."""
