"""A model that answers with the number of letters in the prompt."""


class ModelInference:
    def __init__(self, model_id=None, **kwargs):
        self.model_id = model_id

    def generate(self, prompt, **kwargs):
        return {"results": [{"generated_text": f"{len(prompt)} letters"}]}
