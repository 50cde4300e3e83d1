"""Values that models compute once per file: `self.once` of a model."""
