"""Label configs and settings of the OCR model, one after the other, in the environment of the gallery's model.

    python ocr_cases.py MODEL_FOLDER PICTURE

The picture shows one upright line of text. Prints a JSON object with the prediction of each case.
"""

import base64
import importlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

TEXT = '<TextArea name="text" toName="image" perRegion="true"/>'
LABELS = '<Label value="Print"/><Label value="Handwriting"/>'
#: The recognition network in the package, which only the model's environment has.
RECOGNITION = "models/PP-OCRv6_rec_small.onnx"
#: A label config, pictures, settings, and what was drawn.
Case = tuple[str, list[Image.Image], dict[str, str], dict[str, Any] | None]


def view(controls: str, image: str = 'value="$image"') -> str:
    return f'<View><Image name="image" {image}/>{controls}</View>'


def data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def main(folder: str, path: str) -> None:
    sys.path.insert(0, folder)
    recognition = Path(str(importlib.import_module("rapidocr").__file__)).parent / RECOGNITION
    model_class = importlib.import_module("model").OcrModel
    line = Image.open(path).convert("RGB")
    turned = line.rotate(-12, expand=True, fillcolor="white")
    boxes = f'<RectangleLabels name="box" toName="image">{LABELS}</RectangleLabels>{TEXT}'
    polygons = f'<PolygonLabels name="box" toName="image">{LABELS}</PolygonLabels>{TEXT}'
    pages = view(boxes, 'valueList="$image"')
    drawn = {
        "id": "drawn",
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": line.width,
        "original_height": line.height,
        "value": {
            "x": 0,
            "y": 0,
            "width": 100,
            "height": 100,
            "rotation": 0,
            "rectanglelabels": ["Handwriting"],
        },
    }
    blank = Image.new("RGB", (200, 100), "white")
    cases: dict[str, Case] = {
        "labels": (view(boxes), [line], {}, None),
        "label setting": (view(boxes), [line], {"text_label": "Handwriting"}, None),
        "turned box": (view(boxes), [turned], {}, None),
        "polygon": (view(polygons), [turned], {}, None),
        "whole picture": (view('<TextArea name="text" toName="image"/>'), [line], {}, None),
        "no text": (view(boxes), [blank], {}, None),
        "pages": (pages, [line, line], {}, None),
        "other network": (view(boxes), [line], {"recognition_model": str(recognition)}, None),
        "drawn": (view(boxes), [line], {}, {"result": [drawn]}),
        "drawn without text": (view(boxes), [blank], {}, {"result": [drawn]}),
    }
    predictions = {}
    for name, (config, pictures, settings, context) in cases.items():
        urls = [data_url(each) for each in pictures]
        value = urls if config == pages else urls[0]
        model = model_class(label_config=config, **settings)
        predictions[name] = model.predict([{"id": 1, "data": {"image": value}}], context=context)
    print(json.dumps(predictions))


if __name__ == "__main__":
    main(*sys.argv[1:])
