"""Code behind the import paths of older releases."""
