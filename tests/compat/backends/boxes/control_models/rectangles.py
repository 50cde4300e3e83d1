from control_models.base import ControlModel
from label_studio_ml.utils import get_image_size


class RectanglesModel(ControlModel):
    type = "RectangleLabels"

    def regions(self, path):
        width, height = get_image_size(path)
        found = []
        for number, name in self.net.names.items():
            score = 0.9 - 0.3 * number
            if score >= self.score_threshold and name in self.label_map:
                box = {"x": 0, "y": 0, "width": 100 * number, "height": 100 * number / width * height}
                found.append(
                    {
                        "from_name": self.from_name,
                        "to_name": self.to_name,
                        "type": "rectanglelabels",
                        "value": {"rectanglelabels": [self.label_map[name]], **box},
                        "score": score,
                    }
                )
        return found
