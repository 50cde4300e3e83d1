"""Declarations of routes, and the document that is made from them."""
