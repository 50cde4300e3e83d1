"""A language model behind OpenAI's chat API labels texts; annotated tasks become examples in its prompt."""

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any, ClassVar

from llm_answers import SPANS, described, read, regions_of, schema, value_of
from llm_endpoint import SPENT, Endpoint, Usage
from llm_examples import chosen, interleaved, with_words

from label_studio_ml import regions
from label_studio_ml.errors import TrainingDataError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

logger = logging.getLogger(__name__)

TEXTS = ("Text", "HyperText", "Paragraphs")
ASKED = ("Choices", *SPANS, "TextArea", "Rating", "Number")


class LanguageModel(LabelStudioMLBase):
    """Fills all `<Choices>`, `<Labels>`, `<TextArea>`, `<Rating>` and `<Number>` on texts with one request a task."""

    max_batch_size = 8
    concurrency = 2
    params: ClassVar[Any] = {
        "llm_url": Param(
            "http://localhost:8080/v1", "address of the endpoint, with its /v1", operator_only=True
        ),
        "llm_model": Param("default", "name of the model at the endpoint"),
        "llm_instructions": Param("", "what the labels mean, for the model"),
        "llm_examples": Param(8, "annotated tasks in a prompt", ge=0),
        "llm_examples_by": Param(
            "label",
            "the same ones of each label, or those most similar to the text",
            choices=("label", "similarity"),
        ),
        "llm_format": Param(
            "json_schema",
            "how the answer's form is asked for",
            choices=("json_schema", "json_object", "text"),
        ),
        "llm_concurrency": Param(4, "requests at the same time", ge=1, le=256),
        "llm_timeout": Param(60.0, "seconds that a task may take, retries included", gt=0, le=170),
        "llm_retries": Param(3, "further tries after 429, 5xx and lost connections", ge=0),
        "llm_max_tokens": Param(500, "longest answer, in tokens", ge=1),
        "llm_temperature": Param(0.0, "randomness of the answers", ge=0, le=2),
        "llm_price_prompt": Param(0.0, "price of a million tokens of prompts", ge=0, operator_only=True),
        "llm_price_answer": Param(0.0, "price of a million tokens of answers", ge=0, operator_only=True),
        "llm_token_budget": Param(
            0, "tokens that a model process may use, 0 for any number", ge=0, operator_only=True
        ),
        "llm_cost_budget": Param(
            0.0, "cost that a model process may cause, 0 for any", ge=0, operator_only=True
        ),
    }

    def setup(self):
        """Find the controls, and load the examples of the last training. The key is read from the environment only."""
        found = self.controls.all(ASKED, on=TEXTS, per_region=False)
        self.asked = [control.map_labels(unknown="drop") for control in found]
        self.endpoint = Endpoint(self.params, os.environ.get("LLM_API_KEY", ""))
        path = self.train_output.get("examples_file")
        self.examples = with_words(json.loads(Path(path).read_text(encoding="utf-8"))) if path else []

    async def predict(self, tasks, **kwargs):
        """Return for each task a prediction, or the exception that says why it has none."""
        used = Usage()
        async with self.endpoint.client() as client:
            predictions = await asyncio.gather(
                *(self.prediction(client, task, used) for task in tasks), return_exceptions=True
            )
        logger.info("%s; since this process started %s", used, SPENT)
        return predictions

    async def prediction(self, client, task, used):
        """Return the prediction of one task. Raises EndpointError, AnswerError, or KeyError for a missing field."""
        controls = [control.for_task(task) for control in self.asked]
        text = await asyncio.to_thread(self.text, task)
        if not text.strip():
            raise ValueError("The task has no text")
        answer, usage = await self.endpoint.answer(client, self.messages(controls, text), schema(controls))
        used.add(usage)
        values = read(answer)
        found = [
            region for control in controls for region in regions_of(control, values.get(control.name), task)
        ]
        spent = {
            "prompt_tokens": usage.prompt_tokens,
            "answer_tokens": usage.answer_tokens,
            "cost": usage.cost,
        }
        return {**regions.prediction(found), "usage": spent}

    def messages(self, controls, text):
        """Return the chat: what to do, examples with their answers, and the text."""
        task = f"Label the text. Answer only with a JSON object:\n{described(controls)}"
        chat = [{"role": "system", "content": f"{task}\n{self.params.llm_instructions}".strip()}]
        like = text if self.params.llm_examples_by == "similarity" else None
        for example in chosen(self.examples, self.params.llm_examples, like):
            answer = json.dumps(example["answer"], ensure_ascii=False)
            chat += [
                {"role": "user", "content": f"Text: {example['text']}"},
                {"role": "assistant", "content": answer},
            ]
        return [*chat, {"role": "user", "content": f"Text: {text}"}]

    def text(self, task):
        """Return what the asked controls' objects show of a task, with their names if there are several."""
        firsts = {control.to_name: control for control in reversed(self.asked)}
        texts = {name: self.inputs(control, [task])[0].text for name, control in reversed(firsts.items())}
        return "\n".join(f"{name}: {text}" if len(texts) > 1 else text for name, text in texts.items())

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Store the annotated tasks as examples; return their file and number. The endpoint is not asked."""
        tasks, answers = {}, {}
        for control in self.asked:
            for example in annotations.targets(control, unfetched="drop", unknown="drop"):
                if job is not None and job.cancelled:
                    return None
                tasks[example.task_id] = example.task
                answers.setdefault(example.task_id, {})[control.name] = value_of(control, example)
        examples = [
            {"text": self.text(tasks[task]), "answer": answer}
            for task, answer in answers.items()
            if len(answer) == len(self.asked) and None not in answer.values()
        ]
        if not examples:
            raise TrainingDataError("No task has an answer for each control, so that there is no example")
        path = Path(workdir) / "examples.json"
        path.write_text(json.dumps(interleaved(examples), ensure_ascii=False), encoding="utf-8")
        return {"examples_file": str(path), "examples": len(examples), "tasks": len(tasks)}
