"""The predictor that the model file loads once. It remembers the last picture that it has looked at."""

from label_studio_ml.utils import InMemoryLRUDictCache, get_image_size


class Predictor:
    def __init__(self, choice):
        self.choice = choice
        self.cache = InMemoryLRUDictCache(1)
        self.loads = 0

    def set_image(self, url, task, path_resolver):
        payload = self.cache.get(url)
        if payload is None:
            self.loads += 1
            payload = {"size": get_image_size(path_resolver(url, task_id=task.get("id")))}
            self.cache.put(url, payload)
        return payload

    def predict(self, url, points, task, path_resolver):
        width, height = self.set_image(url, task, path_resolver)["size"]
        mask = [[1 if (x, y) in points else 0 for x in range(width)] for y in range(height)]
        return {"mask": mask, "score": 1 / self.loads}
