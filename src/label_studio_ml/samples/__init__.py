"""Sample tasks: made-up data for any label config, for checks, tests and demonstrations.

from label_studio_ml import samples

tasks = samples.tasks(label_config, 10)                        # files are in the tasks, as data URLs
tasks = samples.tasks(label_config, 10, files="data/samples")   # files are in a folder that Label Studio serves
"""

from label_studio_ml.samples.sample_tasks import tasks

__all__ = ["tasks"]
