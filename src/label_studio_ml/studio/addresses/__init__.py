"""Addresses of Label Studio and of task files: parse them, and restrict which of them are requested."""
