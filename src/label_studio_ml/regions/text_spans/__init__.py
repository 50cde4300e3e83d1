"""Spans in texts, HTML pages and paragraphs."""
