"""The section about a gallery model in the README of a new backend."""

from label_studio_ml.gallery.catalogue import GalleryModel


def model_section(model: GalleryModel) -> str:
    """Return Markdown with what the model does, its notes, and the weights that its packages ship."""
    parts = [f"## {model.title}", model.summary, model.text("notes.md").strip()]
    if model.weights:
        parts.append("\n".join(_weights(model)))
    parts.append(f"Licence of what it installs: {model.licence}.")
    return "\n\n".join(parts)


def _weights(model: GalleryModel) -> list[str]:
    """Return the rows of the table of weights."""
    rows = ["| package | version | licence | file | SHA-256 |", "|---|---|---|---|---|"]
    rows += [
        f"| {weights.package} | {weights.version} | {weights.licence} | `{file}` | `{digest}` |"
        for weights in model.weights
        for file, digest in weights.files.items()
    ]
    return rows
