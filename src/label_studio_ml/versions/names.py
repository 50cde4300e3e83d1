"""What a version may be called."""

#: Characters that a name may have.
LONGEST = 256
#: Names of models that were never trained: a version of that name could not be told from them.
UNTRAINED = ("INITIAL", "0.0.1")


def name_problem(name: str) -> str:
    """Say why a text cannot name a version, nothing if it can."""
    if not name.strip():
        return "it is blank"
    if len(name) > LONGEST:
        return f"it has {len(name):,} characters, at most {LONGEST} are allowed"
    if not name.isprintable():
        odd = next(character for character in name if not character.isprintable())
        return f"it holds {odd!a}, which cannot be shown"
    return ""
