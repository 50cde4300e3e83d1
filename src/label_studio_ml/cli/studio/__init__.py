"""Commands that work with a Label Studio."""
