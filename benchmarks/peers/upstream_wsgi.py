"""What `label-studio-ml init` of 1.0.9 writes as `_wsgi.py`, less its command line, for models/first_label.py."""

import os

from first_label import FirstLabel

from label_studio_ml.api import init_app

app = init_app(
    model_class=FirstLabel,
    model_dir=os.environ["MODEL_DIR"],
    redis_queue="default",
    redis_host="localhost",
    redis_port=6379,
)
