"""Key points of a person's body, from MediaPipe's pose model. It learns nothing from annotations."""

from typing import Any, ClassVar

import cv2
import mediapipe

from label_studio_ml import regions
from label_studio_ml.inputs.large_pictures import read_picture
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: MediaPipe's landmarks in their order, such as "left eye inner".
LANDMARKS = [landmark.name.lower().replace("_", " ") for landmark in mediapipe.solutions.pose.PoseLandmark]


#: Larger pictures are reduced to this many pixels on their longer side: MediaPipe needs several copies of a picture.
LONGEST_SIDE = 1920
#: MediaPipe's models by their confidence, and how many are kept: one that is given up returns little of its 100 MB.
ESTIMATORS, MOST_ESTIMATORS = {}, 2


class Pose(LabelStudioMLBase):
    """Fills `<KeyPointLabels>` on pictures whose labels are parts of the body."""

    max_batch_size = 16

    params: ClassVar[Any] = {
        "min_visibility": Param(0.5, "leave out points that are less likely to be visible", ge=0, le=1),
        "min_confidence": Param(0.5, "leave out persons that are less likely to be one", ge=0, le=1),
    }

    def setup(self):
        """Find the control that has parts of the body, and load the model."""
        controls = self.controls.all("KeyPointLabels", on="Image")
        fitting = [control for control in controls if labels_of(control)]
        if not fitting:
            raise ValueError(f"No <KeyPointLabels> on <Image> has one of the labels {', '.join(LANDMARKS)}")
        self.points = fitting[0]
        self.labels = labels_of(self.points)
        estimator(self.params.min_confidence)

    def predict(self, tasks, **kwargs):
        """Return a prediction with the points of each task; an empty one for a picture without a person."""
        return [
            regions.prediction(*(self.body(each) for each in self.inputs(self.points, [task])))
            for task in tasks
        ]

    def body(self, each):
        """Return the key points of one picture. Raises ValueError if OpenCV cannot read it, or it is too large."""
        try:
            picture, size = read_picture(each.path)
        except ValueError as error:
            raise ValueError(f"Task {each.task.get('id')}: {error}") from None
        longest = max(picture.shape[:2])
        if longest > LONGEST_SIDE:
            sides = [max(1, round(side * LONGEST_SIDE / longest)) for side in picture.shape[1::-1]]
            picture = cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)
        pose = estimator(self.params.min_confidence)
        found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
        if found is None:
            return []
        made = []
        for index, label in self.labels.items():
            landmark = found.landmark[index]
            if landmark.visibility >= self.params.min_visibility:
                made.append(
                    regions.key_point(
                        self.points,
                        xy=(landmark.x, landmark.y),
                        relative=True,
                        size=size,
                        label=label,
                        score=float(landmark.visibility),
                        item_index=each.item,
                    )
                )
        return made


def estimator(confidence):
    """Return MediaPipe's model with this confidence, which all projects share."""
    if confidence not in ESTIMATORS:
        if len(ESTIMATORS) >= MOST_ESTIMATORS:
            ESTIMATORS.pop(next(iter(ESTIMATORS))).close()
        ESTIMATORS[confidence] = mediapipe.solutions.pose.Pose(
            static_image_mode=True, model_complexity=1, min_detection_confidence=confidence
        )
    return ESTIMATORS[confidence]


def labels_of(control):
    """Return the control's label for each landmark that it has one for, by the landmark's index."""
    labels = {index: label_of(control, landmark) for index, landmark in enumerate(LANDMARKS)}
    return {index: label for index, label in labels.items() if label is not None}


def label_of(control, landmark):
    """Return the control's label for a landmark such as "left eye": also "left_eye", or "eye" for both sides."""
    side, _, part = landmark.partition(" ")
    without_side = (
        part if side in ("left", "right") else landmark.removesuffix(" left").removesuffix(" right")
    )
    for name in (landmark, landmark.replace(" ", "_"), without_side):
        if control.label_map.knows(name):
            return control.label_map.name(name)
    return None
