"""The login that a `fit` gets for a Label Studio that does not exist: its requests fail at once.

Classes with `fit(event, data)` often read the project's annotations from Label Studio's API. Without any login, clients
of that API cannot even be made, and raise errors that look like faults of the class.
"""

#: A port of this machine on which nothing listens: that of the discard protocol.
ADDRESS = "127.0.0.1:9"

_URL, _TOKEN = f"http://{ADDRESS}", "no-label-studio"

#: Environment variables with the login.
LOGIN = {
    "LABEL_STUDIO_URL": _URL,
    "LABEL_STUDIO_HOST": _URL,
    "LABEL_STUDIO_API_KEY": _TOKEN,
    "LABEL_STUDIO_ACCESS_TOKEN": _TOKEN,
}
