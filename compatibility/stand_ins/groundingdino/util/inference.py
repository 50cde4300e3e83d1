"""A detector that finds one box in the middle of every image."""

import torch


def load_model(config, weights, **kwargs):
    return "model"


def load_image(path):
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    return pixels, torch.as_tensor(pixels)


def predict(model, image, caption, box_threshold=0.0, text_threshold=0.0, device="cpu"):
    boxes, scores = torch.tensor([[0.5, 0.5, 0.5, 0.25]]), torch.tensor([0.75])
    return boxes, scores, [caption.strip() if caption else "thing"]


def preprocess_caption(caption):
    return caption


def annotate(*args, **kwargs):
    return None
