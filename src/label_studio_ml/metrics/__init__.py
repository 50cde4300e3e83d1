"""Counters of a server, and their Prometheus text format."""
