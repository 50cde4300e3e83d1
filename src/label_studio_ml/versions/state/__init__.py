"""The state of each project: what Label Studio sent, and key/value pairs of user code."""
