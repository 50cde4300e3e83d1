import gc

from label_studio_ml.processes.garbage_collection import THRESHOLD, tuned


def test_the_objects_of_the_start_are_left_out_until_the_end() -> None:
    before = gc.get_threshold()
    frozen = gc.get_freeze_count()
    with tuned():
        assert gc.get_threshold() == (THRESHOLD, *before[1:])
        assert gc.get_freeze_count() > frozen + 1000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
