"""A stand-in for EasyOCR: one word in the middle of every image."""


class Reader:
    def __init__(self, lang_list, **kwargs):
        self.languages = lang_list

    def readtext(self, path, **kwargs):
        from PIL import Image

        with Image.open(path) as image:
            width, height = image.size
        left, top, right, bottom = width // 4, height // 4, width // 2, height // 2
        return [([[left, top], [right, top], [right, bottom], [left, bottom]], "word", 0.75)]
