"""JSON schemas of the types that the code decodes and encodes."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from label_studio_ml.openapi.declarations.operation import types_with_more_fields

_REFERENCE = "#/components/schemas/"


class Schemas:
    """Schemas of the types of `answers` and of `bodies`. Objects in answers have the declared fields only.

    Requests may have more fields than declared: Label Studio sends many that are not read.
    """

    def __init__(self, answers: Iterable[Any], bodies: Iterable[Any]) -> None:
        answer_types = list(dict.fromkeys(_each(answers)))
        types = list(dict.fromkeys([*answer_types, *_each(bodies)]))
        schemas, self.components = msgspec.json.schema_components(types, ref_template=f"{_REFERENCE}{{name}}")
        self._by_type: dict[Any, dict[str, Any]] = dict(zip(types, schemas, strict=True))
        open_names = {declared.__name__ for declared in types_with_more_fields()}
        self.answered = self._reachable(self._by_type[declared] for declared in answer_types)
        for name in self.answered - open_names:
            schema = self.components[name]
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)
                for field in schema["properties"].values():
                    field.pop("default", None)  # what the code has as default is sent, too
        for schema in self.components.values():
            _tidy(schema)
            _adapt_arrays(schema)
        for schema in schemas:
            _adapt_arrays(schema)

    def of(self, declared: Any) -> dict[str, Any]:
        """Return the schema of a type, or of any of a tuple of types."""
        if isinstance(declared, tuple):
            return {"anyOf": [self._by_type[part] for part in declared]}
        return self._by_type[declared]

    def _reachable(self, schemas: Iterable[Any]) -> set[str]:
        """Return the names of the components that schemas refer to, directly or through others."""
        names: set[str] = set()
        left = list(schemas)
        while left:
            for reference in _references(left.pop()):
                name = reference.removeprefix(_REFERENCE)
                if name not in names:
                    names.add(name)
                    left.append(self.components[name])
        return names


def _each(types: Iterable[Any]) -> Iterator[Any]:
    for declared in types:
        yield from declared if isinstance(declared, tuple) else (declared,)


def _references(schema: Any) -> Iterator[str]:
    """Yield all `$ref` in a schema."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _adapt_arrays(schema: Any) -> None:
    """Write arrays as generators of clients need them.

    They do not know `items: false` of tuples, whose `maxItems` says the same, and want `items` also for lists of any
    values.
    """
    if isinstance(schema, dict):
        if schema.get("type") == "array" and "prefixItems" not in schema:
            schema.setdefault("items", {})
        if "prefixItems" in schema and schema.get("items") is False and "maxItems" in schema:
            del schema["items"]
        for value in schema.values():
            _adapt_arrays(value)
    elif isinstance(schema, list):
        for value in schema:
            _adapt_arrays(value)


def _tidy(schema: dict[str, Any]) -> None:
    """Put the description of a type on one line for each of its paragraphs."""
    if description := schema.get("description"):
        paragraphs = description.split("\n\n")
        schema["description"] = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
