"""Answers by a prompt that the last annotation held, or the annotator's page sends; versions count the prompts."""

import logging
import os
from typing import Any, Dict, List, Optional

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_ml.utils import match_labels
from label_studio_sdk.label_interface.control_tags import ControlTag, ObjectTag
from label_studio_sdk.label_interface.object_tags import ParagraphsTag
from label_studio_sdk.label_interface.objects import PredictionValue

logger = logging.getLogger(__name__)


class Prompts(LabelStudioMLBase):
    PREFIX = os.getenv("PROMPT_PREFIX", "prompt")
    DEFAULT_PROMPT = os.getenv("DEFAULT_PROMPT")
    TEMPLATE = os.getenv("PROMPT_TEMPLATE", "{prompt}: {text}")
    INPUTS = ("Image", "Text", "HyperText", "Paragraphs")

    def setup(self):
        if not any(control.tag == "TextArea" for control in self.label_interface.controls):
            raise Exception("You must provide a text area whose name begins with " + self.PREFIX)

    def find_prompt(self) -> "tuple[ControlTag, ObjectTag]":
        from_name, to_name, _ = self.label_interface.get_first_tag_occurence(
            "TextArea", self.INPUTS, name_filter=lambda name: name.startswith(self.PREFIX)
        )
        return self.label_interface.get_control(from_name), self.label_interface.get_object(to_name)

    def find_other(self, kind: str, prompt: ControlTag, subject: ObjectTag) -> Any:
        try:
            from_name, _, _ = self.label_interface.get_first_tag_occurence(
                kind,
                self.INPUTS,
                name_filter=lambda name: name != prompt.name,
                to_name_filter=lambda name: name == subject.name,
            )
            return self.label_interface.get_control(from_name)
        except Exception:
            return None

    def prompts(self, context, tag) -> List[str]:
        if context:
            for item in context.get("result"):
                if item.get("from_name") == tag.name:
                    return item["value"]["text"]
        elif prompt := self.get(tag.name):
            return [prompt]
        elif self.DEFAULT_PROMPT:
            return [self.DEFAULT_PROMPT]
        return []

    def predict(self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs) -> ModelResponse:
        prompt_tag, subject = self.find_prompt()
        prompts = self.prompts(context, prompt_tag)
        predictions = []
        if prompts:
            choices = self.find_other("Choices", prompt_tag, subject)
            answer = self.find_other("TextArea", prompt_tag, subject)
            for task in tasks:
                data = self.preload_task_data(task, task["data"])
                text = data.get(subject.value_name)
                if isinstance(subject, ParagraphsTag):
                    text = " ".join(item["text"] for item in text)
                said = self.TEMPLATE.format(prompt=" ".join(prompts), text=text)
                if self.extra_params.get("shout"):
                    said = said.upper()
                regions = []
                if choices:
                    regions.append(choices.label(match_labels(text, choices.labels)))
                if answer:
                    regions.append(answer.label(text=[said]))
                regions.append(prompt_tag.label(text=prompts))
                predictions.append(
                    PredictionValue(result=regions, score=0.1, model_version=str(self.model_version))
                )
        return ModelResponse(predictions=predictions)

    def fit(self, event, data, **additional_params):
        if event not in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
            return
        prompt_tag, _ = self.find_prompt()
        prompts = self.prompts(data["annotation"], prompt_tag)
        if not prompts or "\n".join(prompts) == self.get(prompt_tag.name):
            logger.debug("The prompt is as before")
            return
        self.set(prompt_tag.name, "\n".join(prompts))
        version = self.bump_model_version()
        logger.debug(f"Now {version}")
