"""Check any ML backend, in any language, as Label Studio would call it: the calls, and what becomes of the answers."""
