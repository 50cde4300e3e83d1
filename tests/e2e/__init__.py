"""Tests against a real Label Studio and a real browser, and what they share with `scripts/demo`."""
