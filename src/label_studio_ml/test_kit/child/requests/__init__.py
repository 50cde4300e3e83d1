"""How requests come to a model besides sample tasks one by one: clicks, and calls at once."""
