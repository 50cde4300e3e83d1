"""A stand-in for pytesseract: the text is the image's size."""


def image_to_string(image, **kwargs):
    return "{} x {}\n".format(*image.size)
