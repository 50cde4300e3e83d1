"""Callbacks of training libraries: each reports progress and metrics to `job`, and stops the training when cancelled.

    Trainer(..., callbacks=[transformers_callback(job)])          Hugging Face transformers
    Trainer(..., callbacks=[lightning_callback(job)])             PyTorch Lightning
    fit_search(job, GridSearchCV(model, grid), X, y)              scikit-learn: every search
    follow_ultralytics(job, YOLO("yolo11n.pt")).train(...)        ultralytics

`job` is the object that `fit` gets. No library is imported before its function is called.
"""

from label_studio_ml.callbacks.lightning_callback import lightning_callback
from label_studio_ml.callbacks.sklearn_search import fit_search
from label_studio_ml.callbacks.transformers_callback import transformers_callback
from label_studio_ml.callbacks.ultralytics_callbacks import follow_ultralytics

__all__ = ["fit_search", "follow_ultralytics", "lightning_callback", "transformers_callback"]
