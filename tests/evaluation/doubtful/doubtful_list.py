"""A list of doubtful annotations as `find_doubtful` returns it, without the trainings."""

from label_studio_ml.evaluation.doubtful.doubtful_labels import DoubtfulLabels
from label_studio_ml.evaluation.doubtful.judgement import Doubt


def doubtful_list(*annotations: tuple[int, int | None]) -> DoubtfulLabels:
    """Return the list of project 7 with these doubtful annotations, each as the ids of its task and of itself."""
    return DoubtfulLabels(
        project="7",
        created="",
        source="",
        tasks=9,
        annotations=9,
        folds=2,
        seed=0,
        complete=True,
        seconds=[],
        contradicted=len(annotations),
        likely=0,
        failed=0,
        failures=[],
        rare={},
        not_compared={},
        doubts=[
            Doubt(
                task=task,
                annotation=number,
                annotator=1,
                control="label",
                kind="choices",
                doubt=0.5,
                likely=False,
                given={},
                predicted={},
            )
            for task, number in annotations
        ],
    )
