"""The address of a project in Label Studio, for links of the dashboard."""

from urllib.parse import urlsplit

from label_studio_ml.support.texts import whole_number


def project_url(hostname: str, number: str) -> str:
    """Return the address of project `number` of the Label Studio at `hostname`.

    It is empty if `hostname` is not http(s): a link to another scheme could run code.
    """
    try:
        parts = urlsplit(hostname.strip())
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or not whole_number(number):
        return ""
    return f"{hostname.strip().rstrip('/')}/projects/{number}"
