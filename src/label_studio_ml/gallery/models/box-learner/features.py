"""Features of boxes in a picture: the output of EfficientNet-Lite0, averaged over the cells of a grid on each box."""

import cv2
import numpy
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch.nn.functional import grid_sample, interpolate, pad

from label_studio_ml.inputs.large_pictures import read_picture

#: Blocks of the network whose output is used. They have 24, 40, 112 and 320 channels, for each 4, 8, 16 and 32 pixels.
BLOCKS = (2, 4, 10, 15)
#: Pixels of the picture, as the network gets it, for each place of the merged features.
STRIDE = 8
#: Cells across a box and down it. A ring of further cells is around them.
CELLS = 3
#: Width of the ring, as a share of the box.
RING = 0.25


class Network:
    """EfficientNet-Lite0, trained on ImageNet; nothing changes its weights."""

    def __init__(self, weights):
        """Load the weights in the file `weights`."""
        self.network = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.network.eval()
        self.outputs = []
        for block in BLOCKS:
            self.network._blocks[block].register_forward_hook(lambda *call: self.outputs.append(call[-1]))

    def features(self, path, side):
        """Return the outputs of the blocks for a picture whose longer side becomes `side` pixels, and its sizes.

        `size` is what the network gets, `original` the size of the file: lists of width and height. Raises ValueError
        if the file is no picture, or too large.
        """
        pixels, original = read_picture(path)
        factor = side / max(pixels.shape[:2])
        height, width = (max(32, round(length * factor)) for length in pixels.shape[:2])
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        pixels = cv2.cvtColor(cv2.resize(pixels, (width, height), interpolation=how), cv2.COLOR_BGR2RGB)
        pixels = cv2.copyMakeBorder(pixels, 0, -height % 32, 0, -width % 32, cv2.BORDER_REPLICATE)
        scaled = (pixels.astype(numpy.float32) - 127) / 128
        self.outputs.clear()
        with torch.inference_mode():
            self.network.extract_features(torch.from_numpy(scaled.transpose(2, 0, 1)[None]))
        outputs = [output[0].half() for output in self.outputs]
        return {"outputs": outputs, "size": [width, height], "original": list(original)}


def merged(outputs):
    """Return the outputs of all blocks as one tensor (channels, rows, columns), a place for each 8 x 8 pixels."""
    rows, columns = outputs[BLOCKS.index(4)].shape[1:]
    layers = []
    for output in outputs:
        how = "area" if output.shape[1] > rows else "bilinear"
        layers.append(interpolate(output[None].float(), size=(rows, columns), mode=how)[0])
    return torch.cat(layers)


def summed(layers):
    """Return the sums of `layers` (channels, rows, columns) over all rows above and columns left of each corner."""
    return pad(layers.double().cumsum(1).cumsum(2).float(), (1, 0, 1, 0))


def of_boxes(sums, boxes):
    """Return an array with a row of features for each box (left, top, right, bottom in the network's pixels).

    These are the means of the channels in the cells of a grid on the box and in the ring around it, the logarithms of
    width and height, and which sides of the picture the box touches.
    """
    channels, rows, columns = sums.shape
    if not len(boxes):  # `grid_sample` takes no empty grid
        return torch.empty(0, channels * (CELLS + 2) ** 2 + 6)
    places = boxes / STRIDE
    across = lines(places[:, 0], places[:, 2]).clamp(0, columns - 1)
    down = lines(places[:, 1], places[:, 3]).clamp(0, rows - 1)
    corners = across.shape[1]
    grid = torch.stack(
        [
            (across / (columns - 1) * 2 - 1)[:, None, :].expand(-1, corners, -1),
            (down / (rows - 1) * 2 - 1)[:, :, None].expand(-1, -1, corners),
        ],
        -1,
    ).reshape(1, len(boxes), -1, 2)
    at = grid_sample(sums[None], grid, align_corners=True).reshape(channels, len(boxes), corners, corners)
    cells = at[:, :, 1:, 1:] - at[:, :, :-1, 1:] - at[:, :, 1:, :-1] + at[:, :, :-1, :-1]
    areas = across.diff(dim=1)[:, None, :] * down.diff(dim=1)[:, :, None]
    means = (cells / areas.clamp(min=0.25)).permute(1, 0, 2, 3).flatten(1)
    sizes = torch.log((boxes[:, 2:] - boxes[:, :2]).clamp(min=1))
    ends = torch.tensor([columns - 1.5, rows - 1.5])
    touches = torch.cat([places[:, :2] < 0.5, places[:, 2:] > ends], 1).float()
    return torch.cat([means, sizes, touches], 1)


def lines(starts, ends):
    """Return where the lines of the grid are between `starts` and `ends`, with the ring's outer lines."""
    lengths = (ends - starts)[:, None]
    inner = starts[:, None] + lengths * torch.linspace(0, 1, CELLS + 1)
    ring = (lengths * RING).clamp(min=1)
    return torch.cat([inner[:, :1] - ring, inner, inner[:, -1:] + ring], 1)
