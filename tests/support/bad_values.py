"""Values that break the rules of a JSON schema, one rule at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_WRONG_TYPES: Mapping[str, list[Any]] = {
    "string": [7, True, [], {}],
    "integer": ["many", 1.5, [], {}],
    "number": ["many", [], {}],
    "boolean": ["perhaps", [], {}],
    "array": ["one", 7, {}],
    "object": ["{}", 7, []],
}


def bad_values(schema: Schema, components: Schema) -> Iterator[Any]:
    """Values that `schema` forbids; of an `anyOf`, those that none of its schemas allows by its type."""
    schema = resolve(schema, components)
    choices = [resolve(choice, components) for choice in schema.get("anyOf", [])]
    if not choices:
        yield from _bad(schema, components)
        return
    if all(choice.get("type") != "null" for choice in choices):
        yield None
    types = {choice.get("type") for choice in choices}
    for choice in choices:
        yield from (
            value
            for value in _bad(choice, components)
            if value is not None and _type(value) not in types - {choice.get("type")}
        )


def resolve(schema: Schema, components: Schema) -> Schema:
    """The schema that a `$ref` leads to."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    return schema


def _bad(schema: Schema, components: Schema) -> Iterator[Any]:
    kind = schema.get("type", "")
    if kind == "null":
        return
    yield None
    yield from _WRONG_TYPES.get(kind, [])
    if "enum" in schema or "const" in schema:
        yield "no-such-value"
    if schema.get("format") == "uuid":
        yield "no-uuid"
    if schema.get("minLength"):
        yield ""
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if "pattern" in schema:
        yield "\x00"
    for bound, step in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
        if bound in schema:
            yield schema[bound] + step
    if kind == "array":
        if "maxItems" in schema:
            yield ["x"] * (schema["maxItems"] + 1)
        yield from ([value] for value in bad_values(schema["items"], components))
    if kind == "object" and "properties" in schema:
        yield from _bad_objects(schema, components)


def _bad_objects(schema: Schema, components: Schema) -> Iterator[Any]:
    yield {"no_such_field": 1}
    if schema.get("required"):
        yield {}
    for name, of_name in schema["properties"].items():
        yield from ({name: value} for value in bad_values(of_name, components))


def _type(value: object) -> str:
    return {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}[
        type(value)
    ]
