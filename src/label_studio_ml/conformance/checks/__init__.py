"""The checks of `conformance`, by the call that they are about."""
