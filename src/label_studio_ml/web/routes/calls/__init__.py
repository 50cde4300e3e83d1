"""Declarations of the server's calls, but for those of the dashboard."""
