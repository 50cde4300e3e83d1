"""The view that says whether predictions help annotators."""
