"""What a model would have to return, for label configs that no model of the gallery fits."""

from label_studio_ml.gallery.model_wanted import wanted


def test_each_control_is_named_once() -> None:
    config = """<View><Image name="photo" value="$photo"/>
    <RectangleLabels name="box" toName="photo"><Label value="A"/><Label value="B"/></RectangleLabels>
    <Rating name="quality" toName="photo"/><TextArea name="note" toName="photo" perRegion="true"/></View>"""
    assert wanted(config) == (
        "A model would have to return boxes of A, B (box) for <Image> photo; a rating (quality) for <Image> photo; "
        "a text (note) for each region."
    )


def test_many_labels_are_counted() -> None:
    labels = "".join(f'<Choice value="{number}"/>' for number in range(9))
    config = f'<View><Text name="t" value="$t"/><Choices name="c" toName="t">{labels}</Choices></View>'
    assert (
        wanted(config) == "A model would have to return a choice of 0, 1, 2, 3 and 5 more (c) for <Text> t."
    )


def test_all_objects_of_a_control_are_named() -> None:
    config = """<View><Text name="a" value="$a"/><Text name="b" value="$b"/><Pairwise name="p" toName="a,b"/></View>"""
    assert wanted(config).endswith("which of two objects is better (p) for <Text> a and <Text> b.")


def test_a_label_config_without_controls() -> None:
    assert wanted('<View><Text name="t" value="$t"/></View>') == (
        "The label config has no control, so there is nothing to predict."
    )
