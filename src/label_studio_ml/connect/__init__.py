"""Connecting a backend with a Label Studio project, and finding what is wrong with such a connection."""
