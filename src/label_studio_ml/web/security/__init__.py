"""Decide which requests are accepted: login, Host and Origin, the hosts that `/setup` may name."""
