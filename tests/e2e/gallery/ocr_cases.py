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

import rapidocr
from PIL import Image

TEXT = '<TextArea name="text" toName="image" perRegion="true"/>'
LABELS = '<Label value="Print"/><Label value="Handwriting"/>'
RECOGNITION = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"


def view(controls: str, image: str = 'value="$image"') -> str:
    return f'<View><Image name="image" {image}/>{controls}</View>'


def data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def main(folder: str, path: str) -> None:
    sys.path.insert(0, folder)
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
    cases = {
        "labels": (view(boxes), line, {}, None),
        "label setting": (view(boxes), line, {"text_label": "Handwriting"}, None),
        "turned box": (view(boxes), turned, {}, None),
        "polygon": (view(polygons), turned, {}, None),
        "whole picture": (view('<TextArea name="text" toName="image"/>'), line, {}, None),
        "no text": (view(boxes), Image.new("RGB", (200, 100), "white"), {}, None),
        "pages": (pages, [line, line], {}, None),
        "other network": (view(boxes), line, {"recognition_model": str(RECOGNITION)}, None),
        "drawn": (view(boxes), line, {}, {"result": [drawn]}),
        "drawn without text": (view(boxes), Image.new("RGB", (200, 100), "white"), {}, {"result": [drawn]}),
    }
    predictions = {}
    for name, (config, picture, settings, context) in cases.items():
        value = [data_url(each) for each in picture] if isinstance(picture, list) else data_url(picture)
        model = model_class(label_config=config, **settings)
        predictions[name] = model.predict([{"id": 1, "data": {"image": value}}], context=context)
    print(json.dumps(predictions))


if __name__ == "__main__":
    main(*sys.argv[1:])
