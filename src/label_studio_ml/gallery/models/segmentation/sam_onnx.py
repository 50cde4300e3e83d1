"""Segment Anything (SAM), or a network that was exported to ONNX in the same two files: an encoder and a decoder."""

import cv2
import numpy as np
import onnxruntime

MEAN, DEVIATION = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])

#: The longest side of an encoder's picture, if its file does not say it.
SIDE = 1024


class Sam:
    """The two networks of a SAM.

    The encoder takes a picture, either 1 × 3 × side × side with normalised colours and padded, or height × width × 3
    with colours from 0 to 255. The decoder has the inputs of SAM's own export: image_embeddings, point_coords,
    point_labels, mask_input, has_mask_input, orig_im_size.
    """

    def __init__(self, encoder, decoder):
        self.encoder, self.decoder = (onnxruntime.InferenceSession(path) for path in (encoder, decoder))
        (self.picture,) = self.encoder.get_inputs()
        shapes = {each.name: each.shape for each in self.decoder.get_inputs()}
        missing = {"image_embeddings", "point_coords", "point_labels", "orig_im_size"} - set(shapes)
        if missing:
            raise ValueError(f"{decoder} is no decoder of SAM: it has no input {', '.join(sorted(missing))}")
        self.inputs = set(shapes)
        sides = [side for side in self.picture.shape[-2:] if isinstance(side, int)]
        self.side = sides[0] if len(self.picture.shape) == 4 and sides else SIDE

    def encode(self, picture):
        """Return the embedding of a picture (height, width, RGB)."""
        height, width = picture.shape[:2]
        scale = self.side / max(height, width)
        pixels = cv2.resize(picture, (round(width * scale), round(height * scale))).astype(np.float32)
        if len(self.picture.shape) == 4:
            padded = np.zeros((self.side, self.side, 3), np.float32)
            padded[: pixels.shape[0], : pixels.shape[1]] = (pixels - MEAN) / DEVIATION
            pixels = padded.transpose(2, 0, 1)[None]
        if "uint8" in self.picture.type:
            pixels = pixels.astype(np.uint8)
        return self.encoder.run(None, {self.picture.name: pixels})[0]

    def segment(self, embedding, size, points, box):
        """Return the likeliest mask (height, width) for points and a box, and its score. `size` is width and height.

        `points` are triples of x, y and whether the point is on the object, `box` is left, top, right, bottom or None.
        """
        prompts = [(x, y, 1 if is_inside else 0) for x, y, is_inside in points]
        prompts += [(*box[:2], 2), (*box[2:], 3)] if box else [(0, 0, -1)]  # -1: there is no box
        prompts = np.float32(prompts)[None]
        values = {
            "image_embeddings": embedding,
            "point_coords": prompts[..., :2] * np.float32(self.side / max(size)),
            "point_labels": prompts[..., 2],
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.float32(size[::-1]),
        }
        masks, scores = self.decoder.run(
            None, {name: values[name] for name in values if name in self.inputs}
        )[:2]
        best = int(scores[0].argmax())
        return masks[0, best] > 0, float(np.clip(scores[0, best], 0, 1))
