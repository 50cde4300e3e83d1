"""The handwritten digits of scikit-learn as a pool to be labelled and a test half, the same for every order."""

import base64
import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

#: Labels before the first training, labels between two, and the accuracy to be reached.
FIRST, STEP, GOAL = 10, 5, 0.9
#: Labels after which a play or a curve ends, goal or not.
MOST = 300

CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="digit" toName="image">'
    + "".join(f'<Choice value="{digit}"/>' for digit in range(10))
    + "</Choices></View>"
)


class Digits(NamedTuple):
    """8 × 8 pictures as rows of 64 bytes, with the digits that they show. Half are only measured on."""

    pool: NDArray[np.uint8]
    truth: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_truth: NDArray[np.int64]


def digits(seed: int) -> Digits:
    """Return the halves of a seed. The pool is shuffled: its own order is the random one."""
    images, shown = load_digits(return_X_y=True)
    pictures = np.rint(images * 255 / 16).astype(np.uint8)
    pool, test, truth, test_truth = train_test_split(
        pictures, shown, test_size=0.5, stratify=shown, random_state=seed
    )
    return Digits(pool, truth, test, test_truth)


def url(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a data URL."""
    buffer = io.BytesIO()
    Image.fromarray(picture.reshape(8, 8)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
