"""Names of versions that a model gives itself."""

from label_studio_ml.support.texts import whole_number


def next_minor(name: str) -> str:
    """Return the version name `X.Y.Z` with its second number incremented: `X.(Y+1).0`.

    Raises ValueError if `name` does not have that form.
    """
    numbers = [number for part in name.split(".") if (number := whole_number(part)) is not None]
    if len(numbers) != 3 or name.count(".") != 2:
        raise ValueError(
            f"Version {name!r} is not of the form X.Y.Z: name the next one with set('model_version', …)"
        )
    return f"{numbers[0]}.{numbers[1] + 1}.0"
