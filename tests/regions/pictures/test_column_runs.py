"""Runs of pixels by columns, beside COCO's own encoder."""

from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from label_studio_ml.regions.pictures.column_runs import column_runs


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_runs_by_columns_are_those_of_cocos_encoder(inside: Any) -> None:
    height, width = inside.shape
    code = coco.encode(np.asfortranarray(inside, np.uint8))
    runs = {"size": [height, width], "counts": column_runs(inside)}
    assert dict(coco.frPyObjects(runs, height, width)) == dict(code)
