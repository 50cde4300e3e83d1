"""Serve the functions registered with `predict_fn` and `update_fn`: a module under the older import path."""

import logging

from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.registered_functions import functions
from label_studio_ml.runtime.model_place import defining_file
from label_studio_ml.runtime.wsgi_application import BackendApp
from label_studio_ml.studio.addresses.private_addresses import is_loopback

logger = logging.getLogger(__name__)

#: The application that `run_ml_backend` serves; None before its first call.
app: BackendApp | None = None


def run_ml_backend(port: int = 9090, host: str = "0.0.0.0", debug: bool = False) -> None:  # noqa: S104 (as it was)
    """Serve the functions registered with `predict_fn` and `update_fn` until the process is interrupted.

    If the file that defines them exists, this starts the server of `label-studio-ml start`. Otherwise, as in a
    notebook, both functions run in this process: a training runs before its event is answered, and versions are kept in
    MODEL_DIR if it is set, else until the process ends. No public tunnel is opened, and Flask's debugger, which would
    run code from any client, is never used.
    """
    global app
    app = init_app(model_class=LabelStudioMLBase)
    if not is_loopback(host):
        logger.warning("Listening on %s: anyone who can reach port %d can use this backend", host, port)
    file = defining_file(LabelStudioMLBase) if functions.predict or functions.update else None
    if file is not None and file.is_file():
        app.run(host=host, port=port)
    else:
        app.run_here(host=host, port=port, debug=debug)
