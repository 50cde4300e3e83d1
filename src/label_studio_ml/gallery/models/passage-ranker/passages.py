"""The query and the items of tasks, and what annotations say of the items' order."""

import re

TEXTS = ("Text", "HyperText", "Paragraphs")


def ranked_controls(controls):
    """Return the controls whose values are an order of texts, or a selection among texts."""
    choices = controls.all("Choices", on=TEXTS, per_region=False)
    return [
        *controls.all("Ranker", on="List"),
        *controls.all("Pairwise", on=TEXTS),
        *[
            control
            for control in choices
            if control.labels_field or _has_text_for_each_label(controls, control)
        ],
    ]


def query_field(controls, control):
    """Return the field of what `<Choices>` label, else of the last text before the items; empty without one."""
    if control.tag == "Choices":
        return control.field
    names = [item.name for item in controls.objects]
    first = min(names.index(item.name) for item in control.objects)
    texts = _other_texts(controls, control)
    before = [item for item in texts if names.index(item.name) < first]
    return (before or texts)[-1].field if texts else ""


def item_texts(controls, control, task):
    """Return the texts of a task's items by their ids, sides or labels. Raises KeyError or ValueError."""
    if control.tag == "Ranker":
        items = control.value(task)
        if not isinstance(items, list) or not all(isinstance(item, dict) and "id" in item for item in items):
            raise ValueError(f"its field {control.field!r} must be a list of items with an id each")
        return {str(item["id"]): plain_text(item) for item in items}
    if control.tag == "Pairwise":
        return {side: plain_text(item.value(task)) for side, item in zip(("left", "right"), control.objects)}
    if control.labels_field:
        labels = [label for top in control.for_task(task).labels for _, label in top.walk()]
        return {label.name: plain_text(label.attributes.get("html") or label.value) for label in labels}
    objects = _other_texts(controls, control)
    return {label.name: plain_text(item.value(task)) for label, item in zip(control.labels, objects)}


def preferences(control, example, items):
    """Return what an annotation says of items: pairs in order, and the group of each item ({} if there are none).

    Of a pair, the annotator preferred the first item; the third entry is how much that matters. A group is a bucket, or
    whether an item was chosen among several ("yes" or "no").
    """
    if control.tag == "Pairwise":
        other = "left" if example.side == "right" else "right"
        return [(example.side, other, 1.0)] if example.side else [], {}
    if control.tag == "Ranker" and control.buckets:
        groups = {item: name for name, bucket in example.buckets.items() for item in bucket if item in items}
        return [pair for bucket in example.buckets.values() for pair in _pairs(bucket, items)], groups
    if control.tag == "Ranker":
        return _pairs(example.ranking, items), {}
    groups = {item: "yes" if item in example.choices else "no" for item in items}
    chosen, others = ([item for item in items if groups[item] == name] for name in ("yes", "no"))
    return [(one, other, 1.0) for one in chosen for other in others], groups if control.is_multiple else {}


def sampled(values, most, random):
    """Return a list's values in their order; of more than `most`, random ones. `random` is NumPy's generator."""
    if len(values) <= most:
        return values
    return [values[at] for at in sorted(random.choice(len(values), most, replace=False))]


def plain_text(value):
    """Return what a text, a page's HTML, a dialogue or an item of a `<List>` says. Raises ValueError for others."""
    if isinstance(value, dict):  # an id says nothing
        return " ".join(
            plain_text(part) for key, part in value.items() if key != "id" and isinstance(part, str)
        )
    if isinstance(value, list):
        return " ".join(map(plain_text, value))
    if not isinstance(value, str):
        raise ValueError(f"a text is expected, not {str(value)[:80]}")
    return " ".join(re.sub(r"<[^<>]*>", " ", value).split())


def _has_text_for_each_label(controls, control):
    """Tell whether the label config shows as many other texts as the control has labels: it chooses among them."""
    return len(control.labels) == len(_other_texts(controls, control)) > 1


def _other_texts(controls, control):
    """Return the texts of the label config that the control does not label."""
    labelled = {item.name for item in control.objects}
    return [item for item in controls.objects if item.tag in TEXTS and item.name not in labelled]


def _pairs(order, items):
    """Return each pair of items in their order; the nearer to the top, the more it matters."""
    return [
        (one, other, 1 / (1 + above) - 1 / (1 + below))
        for above, one in enumerate(order)
        for below, other in enumerate(order)
        if above < below and one in items and other in items
    ]
