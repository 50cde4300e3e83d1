"""A model of known cost: seconds for a call of predict and of fit, from the environment."""

import os
import time

from label_studio_ml.model import LabelStudioMLBase


class Timed(LabelStudioMLBase):
    max_batch_size = int(os.environ["BENCH_BATCH"])

    def predict(self, tasks, **kwargs):
        time.sleep(float(os.environ["BENCH_PREDICT"]))
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, event, data, **kwargs):
        time.sleep(float(os.environ["BENCH_FIT"]))
        self.set("model_version", f"v{time.time_ns()}")
