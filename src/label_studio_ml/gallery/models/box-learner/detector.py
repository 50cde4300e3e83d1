"""A detector that learns in seconds: two small networks judge and move candidate boxes by features of the picture."""

import numpy
import torch
from features import STRIDE, merged, of_boxes, summed
from sklearn.cluster import KMeans
from torch import nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

#: Sizes of candidate boxes: the means of so many clusters of the annotated ones.
SIZES = 8
#: Principal components of the features' 496 channels that are used.
COMPONENTS = 64
#: Overlap (intersection over union) with an annotated box from which on a candidate counts as that object, by step.
OBJECT = (0.5, 0.55)
#: Candidates whose overlap is lower by less than this are not learnt from.
UNSURE = 0.1
#: Places of a picture, and of all pictures together, that the principal components are of.
PLACES, ALL_PLACES = 400, 100_000
#: Candidates of a picture that go on to the second step.
MOST_CANDIDATES = 200
#: Copies of each annotated box, randomly moved, that are learnt from.
COPIES = 8
#: Candidates of a picture that are learnt from, and of all pictures together: most of them show no object.
SAMPLES, ALL_SAMPLES = 150, 30_000
#: Candidates of a picture that mistakes are sought among, after the first training of a step.
MISTAKES_AMONG = 2000
#: Numbers of the corrections of a box are multiplied by these, so that they are of about the same size.
SCALES = torch.tensor([4.0, 4.0, 3.0, 3.0])


class Head(nn.Module):
    """Says of each box which label it has (0 for none), and how it has to be moved."""

    def __init__(self, features, labels):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(features), requires_grad=False)
        self.deviation = nn.Parameter(torch.ones(features), requires_grad=False)
        self.hidden = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Dropout(0.3))
        self.label = nn.Linear(64, labels + 1)
        self.correction = nn.Linear(64, 4)

    def forward(self, features):
        """Return the logits of the labels, and the corrections, for each row of features."""
        hidden = self.hidden((features - self.mean) / self.deviation)
        return self.label(hidden), self.correction(hidden)

    def judge(self, sums, boxes):
        """Return the probabilities of the labels for each box, and the boxes as corrected."""
        with torch.inference_mode():
            # Features of so few boxes stay in the processor's cache.
            parts = [self(of_boxes(sums, part)) for part in boxes.split(500)]
            labels, corrections = (torch.cat(values) for values in zip(*parts))
            return labels.softmax(1), moved(boxes, corrections)


class Detector:
    """Finds boxes of the labels that it has learnt in the features of a picture."""

    def __init__(self, state):
        """Make the detector that `learnt` returned the state of."""
        self.state = state
        self.heads = []
        for weights in state["heads"]:
            head = Head(len(weights["mean"]), len(state["labels"]))
            head.load_state_dict(weights)
            self.heads.append(head.eval())

    def boxes(self, features, min_score, overlap):
        """Return arrays of boxes (shares of the picture), labels and scores; of boxes that overlap, the surest."""
        size = torch.tensor(features["size"]).float()
        sums = reduced(self.state, features)
        boxes = candidates(size, self.state["sizes"])
        for head in self.heads:
            shares, boxes = best(*head.judge(sums, boxes), size)
        found = []
        for number, label in enumerate(self.state["labels"], 1):
            scores = shares[:, number]
            order = scores.argsort(descending=True)
            for at in order[scores[order] >= min_score].tolist():
                same = [box for box, other, _ in found if other == label]
                if not same or overlaps(boxes[at : at + 1], torch.stack(same)).max() <= overlap:
                    found.append((boxes[at], label, float(scores[at])))
        return [((box / size.repeat(2)).tolist(), label, score) for box, label, score in found]


def learnt(pictures, labels, progress):
    """Return the state of a detector, for `Detector` and `torch.save`.

    Each of the `pictures` is a dict with `outputs` and `size` of the network, and its annotated `boxes` (shares of the
    picture, shape (n, 4)) and `numbers` (indices in `labels` from 1 on). The outputs, which take much memory, are
    removed from the dicts. `progress` is called with the part that is done, and may raise an exception to end the
    training.
    """
    torch.manual_seed(0)
    sizes = [torch.tensor(picture["size"]).float() for picture in pictures]
    truths = [(each["boxes"] * size.repeat(2), each["numbers"]) for each, size in zip(pictures, sizes)]
    state = {**components(pictures), "labels": labels, "sizes": usual_sizes([boxes for boxes, _ in truths])}
    sums = [reduced(state, {"outputs": picture.pop("outputs")}) for picture in pictures]
    samples = min(SAMPLES, max(10, ALL_SAMPLES // len(pictures)))
    found = [None for _ in pictures]  # boxes of the step before
    heads = []
    for step, least in enumerate(OBJECT):
        parts = [
            (boxes, size, state["sizes"], copies(truth))
            for boxes, size, (truth, _) in zip(found, sizes, truths)
        ]
        rows = []
        for at, truth in enumerate(truths):
            progress(step / 2)
            rows.append(sample(sums[at], all_boxes(*parts[at]), truth, least, samples))
        head = trained(rows, len(labels), progress, step / 2, epochs=4)
        # The second training of a step also has the candidates that the first one is most wrong about.
        for at, truth in enumerate(truths):
            progress(step / 2 + 0.13)
            boxes = all_boxes(*parts[at])
            some = boxes[torch.randperm(len(boxes))[:MISTAKES_AMONG]]
            scores = 1 - head.judge(sums[at], some)[0][:, 0]
            rows.append(sample(sums[at], some, truth, least, samples, scores))
        head = trained(rows, len(labels), progress, step / 2 + 0.15, epochs=8)
        heads.append(head.state_dict())
        for at, size in enumerate(sizes if step < len(OBJECT) - 1 else ()):
            progress(step / 2 + 0.45)
            found[at] = best(*head.judge(sums[at], all_boxes(*parts[at])), size)[1]
    return {**state, "heads": heads}


def all_boxes(found, size, shapes, extra):
    """Return the boxes that a step judges: those of the step before, without one all candidates, and `extra` ones.

    They are made anew each time, as a picture may have 100,000.
    """
    return torch.cat([candidates(size, shapes) if found is None else found, extra])


def trained(rows, labels, progress, start, epochs):
    """Return a head that has learnt `rows`: tuples of features, labels and corrections.

    `start` is the part of the whole training that is done before; an epoch is about a thirtieth of it.
    """
    features, numbers, corrections = (torch.cat(column) for column in zip(*rows))
    head = Head(features.shape[1], labels)
    # Far faster than `std` down the columns of so large an array.
    deviation = (features.square().mean(0) - features.mean(0).square()).clamp(min=1e-6).sqrt()
    head.mean.data, head.deviation.data = features.mean(0), deviation
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=1e-2)
    batches = -(-len(features) // 256)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * batches)
    for epoch in range(epochs):
        progress(start + epoch / 30)
        for batch in torch.randperm(len(features)).split(256):
            said, moves = head(features[batch])
            loss = cross_entropy(said, numbers[batch])
            objects = numbers[batch] > 0
            if objects.any():
                loss = loss + smooth_l1_loss(moves[objects], corrections[batch][objects])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval()


def sample(sums, boxes, truth, least, most, scores=None):
    """Return features, labels and corrections of candidates: `most` objects, and `most` without one.

    Those without an object are random ones, or those with the highest of `scores`, and then no objects are returned.
    """
    annotated, numbers = truth
    best_overlap, at = torch.zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.long)
    if len(annotated):
        best_overlap, at = overlaps(boxes, annotated).max(1)
    (objects,) = torch.where(best_overlap >= least)
    (others,) = torch.where(best_overlap < least - UNSURE)
    if scores is None:
        objects = objects[torch.randperm(len(objects))[:most]]
        others = others[torch.randperm(len(others))[:most]]
    else:
        objects, others = objects[:0], others[scores[others].argsort(descending=True)[:most]]
    chosen = torch.cat([objects, others])
    labels, corrections = torch.zeros(len(chosen), dtype=torch.long), torch.zeros(len(chosen), 4)
    if len(objects):
        labels[: len(objects)] = numbers[at[objects]]
        corrections[: len(objects)] = correction(boxes[objects], annotated[at[objects]])
    return of_boxes(sums, boxes[chosen]), labels, corrections


def components(pictures):
    """Return mean and principal components of the channels at some hundred places of each picture."""
    places, most = [], min(PLACES, max(1, ALL_PLACES // len(pictures)))
    for picture in pictures:
        layers = merged(picture["outputs"]).flatten(1)
        places.append(layers[:, torch.randperm(layers.shape[1])[:most]])
    places = torch.cat(places, 1)
    mean, deviation = places.mean(1), places.std(1).clamp(min=1e-3)
    scaled = (places - mean[:, None]) / deviation[:, None]
    axes, lengths, _ = torch.linalg.svd(scaled @ scaled.T / scaled.shape[1])
    return {
        "mean": mean,
        "axes": axes[:, :COMPONENTS].T / deviation / lengths[:COMPONENTS, None].sqrt().clamp(min=0.05),
    }


def reduced(state, features):
    """Return the sums of a picture's principal components."""
    layers = merged(features["outputs"]) - state["mean"][:, None, None]
    return summed(torch.einsum("oc,crk->ork", state["axes"], layers))


def usual_sizes(truths):
    """Return widths and heights (n, 2) that stand for those of the annotated boxes."""
    logarithms = torch.log(torch.cat([boxes[:, 2:] - boxes[:, :2] for boxes in truths]).clamp(min=4)).numpy()
    clusters = min(SIZES, len(numpy.unique(logarithms.round(2), axis=0)))
    means = KMeans(clusters, n_init=3, random_state=0).fit(logarithms).cluster_centers_
    return torch.from_numpy(numpy.exp(means)).float()


def candidates(size, shapes):
    """Return boxes of all shapes at steps of a quarter of their width and height over a picture."""
    rows = []
    for shape in torch.minimum(shapes, size):
        steps = torch.ceil((size - shape) / (shape / 4).clamp(min=STRIDE / 2)).long() + 1
        left, top = (torch.linspace(0, float(room), int(n)) for room, n in zip(size - shape, steps))
        corners = torch.cartesian_prod(left, top)
        rows.append(torch.cat([corners, corners + shape], 1))
    return torch.cat(rows)


def copies(boxes):
    """Return copies of annotated boxes with their sides moved at random."""
    lengths = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    moved_boxes = (boxes + 0.12 * torch.randn(COPIES, *boxes.shape) * lengths).reshape(-1, 4)
    return torch.cat([moved_boxes[:, :2], torch.maximum(moved_boxes[:, 2:], moved_boxes[:, :2] + 4)], 1)


def best(shares, boxes, size):
    """Return the shares and boxes of the most likely objects; their boxes end at the sides of the picture."""
    order = shares[:, 0].argsort()[:MOST_CANDIDATES]
    boxes = boxes[order]
    start, end = torch.minimum(boxes[:, :2].clamp(min=0), size - 2), torch.minimum(boxes[:, 2:], size)
    return shares[order], torch.cat([start, torch.maximum(end, start + 2)], 1)


def correction(boxes, targets):
    """Return the numbers by which `moved` makes boxes those of their targets."""
    lengths, wanted = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    centres = (targets[:, 2:] + targets[:, :2] - boxes[:, 2:] - boxes[:, :2]) / 2
    return torch.cat([centres / lengths, torch.log(wanted / lengths)], 1) * SCALES


def moved(boxes, corrections):
    """Return boxes with the corrections of `correction`, of which each is limited to the box's own size."""
    lengths, limited = boxes[:, 2:] - boxes[:, :2], (corrections / SCALES).clamp(-1, 1)
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2 + limited[:, :2] * lengths
    halves = lengths * torch.exp(limited[:, 2:]) / 2
    return torch.cat([centres - halves, centres + halves], 1)


def overlaps(first, second):
    """Return the intersection over union of each box of `first` with each of `second`."""
    start = torch.maximum(first[:, None, :2], second[None, :, :2])
    end = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (end - start).clamp(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None, :] - shared).clamp(min=1e-6)
