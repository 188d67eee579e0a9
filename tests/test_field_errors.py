"""Texts about invalid fields: they name the field and its rule, in the field's language and in one style."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, get_args

import httpx
import pytest
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError
from support.bad_values import bad_values
from support.problems import assert_problem
from support.service import running, settings
from support.tenants import N8N_HEADERS, Tenant
from support.wording import JARGON

from app.errors import InvalidRequest
from app.field_errors import FieldError, FieldErrorType, RuleError
from app.main import create_app
from app.providers import PROVIDERS
from app.providers.options import check_options

pytestmark = pytest.mark.anyio

DOCUMENT = create_app(settings("postgresql://unknown@127.0.0.1:1/none")).openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if path.startswith(("/integrations", "/n8n"))
}
CANARY = "sandbox-canary-cec1a8"

STYLE = re.compile(r"(`[^`]+`|The body) (must|is|has|cannot|can) .*[^. ]")
TYPES = get_args(FieldErrorType)


def assert_style(error: dict[str, str]) -> None:
    """The text is a sentence that begins with the field, without our tools' words, and names the rule."""
    name = error["field"].partition(".")[2]
    assert STYLE.fullmatch(error["message"]), error
    assert error["message"].startswith(f"`{name}`" if name else "The body"), error
    assert not JARGON.search(error["message"]), error
    assert not error["message"].endswith((" is not valid", " has the wrong format")), error
    assert error["type"] in TYPES, error
    assert CANARY not in error["message"], error


@pytest.fixture(scope="module", params=["1", "0"], ids=["fast path", "FastAPI's path"])
async def either_client(
    request: pytest.FixtureRequest, database_url: str, heygen_url: str, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    """The service, with the fast path and without."""
    providers = {"heygen": {"api_url": heygen_url}}
    async with running(settings(database_url, providers=providers, fast_path=request.param)) as (_, client):
        yield client


def bad_requests(operation: dict[str, Any], path: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests with one mistake each, and the field that the error has to name; `path`: good parameters."""
    content = operation.get("requestBody", {}).get("content", {})
    body: dict[str, Any] = {"json": {}} if content else {}
    for parameter in operation.get("parameters", []):
        name, place = parameter["name"], parameter["in"]
        for value in bad_values(parameter["schema"], SCHEMAS):
            if isinstance(value, str) and place == "query":
                yield f"query.{name}", {"path": path, "params": {name: value}, **body}
            elif isinstance(value, str) and value and place == "path" and name != "provider":
                yield f"path.{name}", {"path": {**path, name: value}, **body}
            elif isinstance(value, str) and value.isprintable() and place == "header":
                yield f"header.{name.lower()}", {"path": path, "headers": {name: value}, **body}
    for unknown in ("no_such_parameter", "limti"):
        yield f"query.{unknown}", {"path": path, "params": {unknown: CANARY}, **body}
    if content:
        for value in bad_values(content["application/json"]["schema"], SCHEMAS):
            name = next(iter(value), "") if isinstance(value, dict) else ""
            yield f"body.{name}".rstrip("."), {"path": path, "json": value}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_rule_of_an_operation_is_told_in_one_style(
    either_client: httpx.AsyncClient, tenant: Tenant, name: str
) -> None:
    method, path, operation = OPERATIONS[name]
    credentials = N8N_HEADERS if path.startswith("/n8n") else tenant.headers
    ids = {"business_id": str(tenant.business_id), "content_id": str(tenant.content_id), "provider": "heygen"}
    mistakes = list(bad_requests(operation, ids))
    assert len(mistakes) > 2
    for field, request in mistakes:
        url = path.format_map({"generation_id": ids["content_id"], **request.pop("path")})
        headers = {**credentials, **request.pop("headers", {})}
        response = await either_client.request(method, url, headers=headers, **request)
        problem = assert_problem(response, 422, "invalid_request")
        named = [error["field"] for error in problem["errors"]]
        assert any(found == field or found.startswith((f"{field}.", "body.")) for found in named), (
            field,
            named,
        )
        for error in problem["errors"]:
            assert_style(error)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_rule_of_a_providers_options_is_told_in_one_style(provider: str) -> None:
    schema = PROVIDERS[provider].options.model_json_schema()
    mistakes = [value for value in bad_values(schema, schema["$defs"]) if isinstance(value, dict)]
    assert len(mistakes) > 20
    for options in mistakes:
        with pytest.raises(InvalidRequest) as caught:
            check_options(PROVIDERS[provider].options, options, "body.provider_config")
        for error in caught.value.extra["errors"]:
            assert_style(error)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_option_that_the_service_sets_is_not_sent_where_it_is_refused_too(provider: str) -> None:
    options = PROVIDERS[provider].options
    for name in options.reserved:
        both: list[dict[str, Any]] = [{name: CANARY}, {"unchecked": {name: CANARY}}]
        for sent in both:
            with pytest.raises(InvalidRequest) as caught:
                check_options(options, sent, "body.provider_config")
            [error] = caught.value.extra["errors"]
            assert_style(error)
            assert error["message"].endswith("the service sets it")


@pytest.mark.parametrize(
    ("method", "path", "sent", "meant"),
    [
        ("POST", "/integrations/ai-avatar", "apiKey", "api_key"),
        ("POST", "/integrations/ai-avatar/generate-video", "contentId", "content_id"),
        ("POST", "/integrations/ai-avatar/generate-video", "scirpt", "script"),
        ("PATCH", "/integrations/ai-avatar/{business_id}", "avatar", "avatar_id"),
        ("POST", "/n8n/heygen-credentials", "businessId", "business_id"),
        ("POST", "/n8n/heygen-status", "videoUrl", "video_url"),
        ("POST", "/n8n/heygen/videos", "execution", "execution_id"),
    ],
)
async def test_a_misspelt_field_is_named_with_the_one_that_was_meant(
    either_client: httpx.AsyncClient, tenant: Tenant, method: str, path: str, sent: str, meant: str
) -> None:
    url = path.format(business_id=tenant.business_id)
    headers = N8N_HEADERS if path.startswith("/n8n") else tenant.headers
    response = await either_client.request(method, url, headers=headers, json={sent: CANARY})
    told = {error["field"]: error for error in assert_problem(response, 422, "invalid_request")["errors"]}
    error = told[f"body.{sent}"]
    assert_style(error)
    assert error["message"] == f"`{sent}` is not a field of this request. Did you mean `{meant}`?"


async def test_a_field_that_resembles_none_gets_no_hint(
    either_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    response = await either_client.post(
        "/integrations/ai-avatar", headers=tenant.headers, json={"colour": CANARY, "x" * 900_000: CANARY}
    )
    errors = assert_problem(response, 422, "invalid_request")["errors"]
    told = [error["message"] for error in errors if error["type"] == "unknown"]
    assert told == [
        "`colour` is not a field of this request",
        f"`{'x' * 100}` is not a field of this request",
    ]


# What has no text of its own -----------------------------------------------------------------------------------------


def refuse_with_the_input(value: str) -> str:
    raise ValueError(f"{value} is bad")


def refuse_by_an_assertion(value: str) -> str:
    raise AssertionError(value)


def refuse_in_our_words(value: str) -> str:
    raise RuleError("must be shorter")


def refuse_by_another_library(value: str) -> str:
    raise PydanticCustomError("other", "Bad {value}", {"value": value})


class Odd(BaseModel):
    """Fields whose errors could contain the input, or a pattern."""

    value: Annotated[str, AfterValidator(refuse_with_the_input)] = ""
    assertion: Annotated[str, AfterValidator(refuse_by_an_assertion)] = ""
    custom: Annotated[str, AfterValidator(refuse_by_another_library)] = ""
    pattern: Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")] = ""
    bytes_: Annotated[bytes, Field(alias="bytes", max_length=2)] = b""
    ours: Annotated[str, AfterValidator(refuse_in_our_words)] = ""
    listed: Literal["a", "b"] = "a"
    frozen: set[int] = set()


def test_an_error_without_a_text_contains_neither_the_input_nor_our_tools_words() -> None:
    fields = ["value", "assertion", "custom", "pattern", "bytes", "ours", "listed", "frozen"]
    with pytest.raises(ValidationError) as caught:
        Odd.model_validate(dict.fromkeys(fields, CANARY))
    told = {
        error.field: error.message
        for error in (FieldError.of_validator(problem["loc"], problem) for problem in caught.value.errors())
    }
    assert told == {
        "value": "`value` is not valid",
        "assertion": "`assertion` is not valid",
        "custom": "`custom` is not valid",
        "pattern": "`pattern` has the wrong format",
        "bytes": "`bytes` is not valid",
        "ours": "`ours` must be shorter",
        "listed": "`listed` must be `a` or `b`",
        "frozen": "`frozen` is not valid",
    }


def test_the_name_of_a_field_is_cut_off() -> None:
    error = FieldError.of_validator(("body", "x" * 10_000), {"type": "extra_forbidden"})
    assert error.message == f"`{'x' * 100}` is not a field of this request"
