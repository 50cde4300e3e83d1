"""The chain of causes of an error."""

from label_studio_ml.support.causes import causes


def test_an_error_and_its_causes_in_their_order() -> None:
    first, second, third = ValueError("first"), KeyError("second"), OSError("third")
    first.__cause__, second.__cause__ = second, third
    assert list(causes(first)) == [first, second, third]


def test_an_error_that_causes_itself_is_yielded_once() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]
