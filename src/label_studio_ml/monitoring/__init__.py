"""Logs, counters, and the Prometheus text format of the counters."""
