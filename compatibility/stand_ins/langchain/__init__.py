"""A stand-in for LangChain."""
