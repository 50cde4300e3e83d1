"""Rules for the two logins in the settings: one that may act, and one that may only read."""

from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.errors import SettingsError


def check_logins(user: str, password: str, http: HttpSettings) -> None:
    """Check that the operator's login (`user`, `password`) and the viewer's in `http` are complete.

    Raises SettingsError if a login lacks its user or password.
    """
    _check_pair("BASIC_AUTH_USER", user, "BASIC_AUTH_PASS", password)
    _check_pair("VIEWER_USER", http.viewer_user, "VIEWER_PASS", http.viewer_pass)


def check_viewer(user: str, http: HttpSettings) -> None:
    """Check the viewer's login in `http` against the logins that may act: that of `user`, and tokens.

    Raises SettingsError if there is a viewer but nobody who may act, or if both have one user name.
    """
    if http.viewer_user and not user and http.tokens_file is None:
        raise SettingsError(
            "VIEWER_USER is set but BASIC_AUTH_USER is not: nobody could act",
            fix="Set BASIC_AUTH_USER and BASIC_AUTH_PASS, the login that may act, too",
            field="BASIC_AUTH_USER",
        )
    if http.viewer_user and http.viewer_user == user:
        raise SettingsError(
            "VIEWER_USER and BASIC_AUTH_USER are the same",
            fix="Give the login that may only read another user name",
            field="VIEWER_USER",
        )


def _check_pair(user: str, user_value: str, password: str, password_value: str) -> None:
    """Raise SettingsError if one of the variables `user` and `password` has a value and the other has none."""
    if bool(user_value) != bool(password_value):
        given, missing = (user, password) if user_value else (password, user)
        raise SettingsError(
            f"{missing} is not set, but {given} is", fix=f"Set {missing} too, or unset both", field=missing
        )
