"""Errors."""


class DoclingServiceClientError(Exception):
    pass


class ConversionError(DoclingServiceClientError):
    pass
