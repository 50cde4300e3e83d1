"""Parts of long texts: spaCy needs 3 GB for 400,000 characters at once, and minutes for some of them."""

#: Characters of a part.
LONGEST_PART = 10_000


def parts(text):
    """Yield the parts of a text that are read at a time, with where they begin; they end behind a line or a word."""
    start = 0
    while start < len(text):
        end = start + LONGEST_PART
        if end < len(text):
            half = start + LONGEST_PART // 2
            ends = [text.rfind(blank, half, end) + 1 for blank in "\n "]
            end = next(filter(None, ends), end)
        yield start, text[start:end]
        start = end
