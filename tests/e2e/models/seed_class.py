# mypy: ignore-errors
"""A model of the first API generation: it learns which choice each word of the labelled texts came with.

Each training writes down in `seen.jsonl`, beside this file, what `annotations` held. While a file `hold`
lies there, a training waits for it to go, having made `holding`.
"""

import json
import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

HERE = Path(__file__).resolve().parent


class WordModel(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        from_name, schema = list(self.parsed_label_config.items())[0]  # noqa: RUF015
        self.from_name = from_name
        self.to_name = schema["to_name"][0]
        self.labels = schema["labels"]
        self.words = {}
        if self.train_output:
            self.words = json.loads(Path(self.train_output["words"]).read_text())

    def predict(self, tasks, **kwargs):
        predictions = []
        for task in tasks:
            words = task["data"]["text"].split()
            known = [self.words[word] for word in words if word in self.words]
            region = {
                "from_name": self.from_name,
                "to_name": self.to_name,
                "type": "choices",
                "value": {"choices": [known[0] if known else self.labels[0]]},
            }
            predictions.append({"result": [region], "score": len(known) / len(words)})
        return predictions

    def fit(self, annotations, workdir=None, **kwargs):
        words, seen = {}, {}
        for task in annotations:
            for annotation in task["annotations"]:
                label = annotation["result"][0]["value"]["choices"][0]
                seen[task["id"]] = [task["data"]["text"], label]
                words.update(dict.fromkeys(task["data"]["text"].split(), label))
        with (HERE / "seen.jsonl").open("a") as file:
            file.write(json.dumps(seen) + "\n")
        if (HERE / "hold").exists():
            (HERE / "holding").touch()
            while (HERE / "hold").exists():
                time.sleep(0.05)
        path = Path(workdir) / "words.json"
        path.write_text(json.dumps(words))
        return {"words": str(path), "count": len(words)}
