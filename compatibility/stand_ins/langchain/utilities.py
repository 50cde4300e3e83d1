"""A search that finds two snippets."""


class GoogleSearchAPIWrapper:
    def run(self, query):
        return f"first about {len(query)} letters ... second snippet"
