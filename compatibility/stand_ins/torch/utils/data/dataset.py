"""What data sets derive from."""


class Dataset:
    pass
