"""Re-export of `legacy.server` under its older import path; the command line itself is `label_studio_ml.cli`."""

from label_studio_ml.legacy.server import (
    create_dir,
    deploy_to_gcp,
    get_args,
    main,
    special_match,
    start_server,
)

__all__ = ["create_dir", "deploy_to_gcp", "get_args", "main", "special_match", "start_server"]
