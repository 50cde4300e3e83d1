"""Errors."""


class ClientError(Exception):
    pass


class NoCredentialsError(Exception):
    pass
