"""Re-export of `legacy.ls_io` under its older import path."""

from label_studio_ml.legacy.ls_io import download_ls_dataset

__all__ = ["download_ls_dataset"]
