"""The dashboard: the web page of a running backend, and the API that the page uses."""
