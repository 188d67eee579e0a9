"""The OpenAPI document: what generated clients, explorers and validators find in it."""

import json
import re
from typing import Any

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.api import Api
from support.openapi import (
    PROBLEM,
    assert_documented,
    document,
    documented_codes,
    operations,
    resolve,
    validate,
)
from support.webhook_receiver import WebhookReceiver

from app import errors
from app.errors import AppError
from app.providers import PROVIDERS

# Released: generated clients name their methods by them.
OPERATION_IDS = {
    "POST /integrations/ai-avatar": "connectProvider",
    "GET /integrations/ai-avatar": "listIntegrations",
    "GET /integrations/ai-avatar/{business_id}": "getIntegration",
    "PATCH /integrations/ai-avatar/{business_id}": "updateIntegration",
    "DELETE /integrations/ai-avatar/{business_id}": "deleteIntegration",
    "POST /integrations/ai-avatar/{business_id}/validate": "validateIntegration",
    "GET /integrations/ai-avatar/{business_id}/account": "getAccount",
    "GET /integrations/ai-avatar/{business_id}/avatars": "listAvatars",
    "GET /integrations/ai-avatar/{business_id}/voices": "listVoices",
    "POST /integrations/ai-avatar/generate-video": "generateVideo",
    "GET /integrations/ai-avatar/videos": "listVideos",
    "GET /integrations/ai-avatar/videos/{content_id}": "getVideo",
    "GET /integrations/ai-avatar/videos/{content_id}/generations": "listGenerations",
    "POST /integrations/ai-avatar/videos/{content_id}/cancel": "cancelVideo",
    "POST /integrations/ai-avatar/videos/{content_id}/reset": "resetVideo",
    "GET /integrations/ai-avatar/videos/{content_id}/events": "followVideo",
    "POST /n8n/{provider}-credentials": "issueCredentials",
    "POST /n8n/{provider}-status": "reportStatus",
    "POST /n8n/{provider}/videos": "createProviderVideo",
    "GET /n8n/{provider}/videos/{generation_id}": "getProviderVideo",
    "GET /health/live": "getLiveness",
    "GET /health/ready": "getReadiness",
    "GET /metrics": "getMetrics",
}


# Their status has no code of its own operation: a path's, and the base class.
NOT_OF_AN_OPERATION = {"method_not_allowed"}


def is_error(status: str) -> bool:
    return status.startswith(("4", "5"))


def media_of(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every body of an operation, requests and responses, with where it is."""
    bodies = [("request", operation["requestBody"])] if "requestBody" in operation else []
    bodies += [(status, resolve(response)) for status, response in operation["responses"].items()]
    return [(where, media) for where, body in bodies for media in body.get("content", {}).values()]


def examples_of(media: dict[str, Any]) -> list[Any]:
    if "example" in media:
        return [media["example"]]
    return [example["value"] for example in media.get("examples", {}).values()]


def test_document_is_valid_openapi_3_1() -> None:
    assert re.fullmatch(r"3\.1\.\d+", document()["openapi"])

    OpenAPIV31SpecValidator(document()).validate()

    for schema in document()["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


@pytest.mark.anyio
async def test_document_is_served_as_it_is(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json")

    assert response.json() == document()


def test_only_the_root_form_of_paths_is_in_the_document() -> None:
    assert not [path for path in document()["paths"] if path.startswith("/api")]


def test_operation_ids_are_the_method_names_of_generated_clients() -> None:
    found = {f"{method.upper()} {path}": operation["operationId"] for method, path, operation in operations()}

    assert found == OPERATION_IDS


def test_document_says_who_made_it_and_where_it_is_served() -> None:
    assert document()["servers"] == [{"url": "/", "description": "The service that serves this document"}]
    assert document()["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert document()["info"]["contact"]["name"]


def test_summaries_are_sentences_and_tags_have_prose() -> None:
    described = {tag["name"]: tag["description"] for tag in document()["tags"]}
    assert all(len(text) > 60 for text in described.values())
    for _, path, operation in operations():
        assert re.fullmatch(r"[A-Z][^\n]+[a-z`]\.", operation["summary"]), path
        assert set(operation["tags"]) <= described.keys()


def test_every_schema_but_those_of_single_values_is_described() -> None:
    for name, schema in document()["components"]["schemas"].items():
        assert schema.get("description") or "default" in schema or name == "JsonValue", name


def test_every_request_and_every_response_has_examples_that_fit_its_schema() -> None:
    for method, path, operation in operations():
        for where, media in media_of(operation):
            assert examples_of(media), (method, path, where)
            for example in examples_of(media):
                validate(example, media["schema"])


def test_parameters_of_paths_have_examples_that_fit_their_schemas() -> None:
    for _, path, operation in operations():
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                assert "example" in parameter, path
            if "example" in parameter:
                validate(parameter["example"], parameter["schema"])


def test_every_code_of_an_operation_has_an_example_of_its_own() -> None:
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            if not is_error(status):
                continue
            examples = resolve(response)["content"][PROBLEM]["examples"]
            assert examples.keys() == documented_codes(response), (method, path, status)
            for code, example in examples.items():
                problem = example["value"]
                assert (problem["code"], problem["status"]) == (code, int(status))
                assert problem["detail"], code


def test_examples_of_problems_name_the_path_of_their_operation() -> None:
    response = document()["paths"]["/integrations/ai-avatar/{business_id}"]["get"]["responses"]["404"]
    example = response["content"][PROBLEM]["examples"]["integration_not_found"]["value"]

    assert example["instance"] == "/integrations/ai-avatar/b0000000-0000-4000-8000-000000000002"


def test_every_code_is_in_the_enumeration_and_in_some_operation() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AppError)]
    codes = {kind.code for kind in kinds}
    schemas = document()["components"]["schemas"]
    documented = {
        code
        for _, _, operation in operations()
        for status, response in operation["responses"].items()
        if is_error(status)
        for code in documented_codes(response)
    }

    assert set(schemas["ProblemCode"]["enum"]) == codes
    assert documented == codes - NOT_OF_AN_OPERATION
    assert schemas["Problem"]["properties"]["code"] == {"$ref": "#/components/schemas/ProblemCode"}


def test_only_problems_that_have_further_members_require_them() -> None:
    schemas = document()["components"]["schemas"]
    extra = {
        name: set(schema["allOf"][1]["required"]) - {"status", "code"}
        for name, schema in schemas.items()
        if name.endswith("Problem") and "allOf" in schema
    }

    assert {name: members for name, members in extra.items() if members} == {
        "InvalidRequestProblem": {"errors"},
        "GenerationInProgressProblem": {"generation_id"},
        "ProviderRejectedProblem": {"provider", "provider_code", "provider_message"},
    }
    assert set(schemas["Problem"]["required"]) == {"type", "title", "status", "detail", "instance", "code"}


def test_undocumented_responses_fail_tests() -> None:
    request = httpx.Request("GET", "http://service.test/integrations/ai-avatar/videos")
    problem = {
        "type": "/problems/#generation_closed",
        "title": "Generation closed",
        "status": 404,
        "detail": "Gone",
        "instance": "/integrations/ai-avatar/videos",
        "code": "generation_closed",
    }

    for status, body in ((404, problem), (410, problem)):
        response = httpx.Response(status, json=body, headers={"content-type": PROBLEM}, request=request)
        with pytest.raises(AssertionError, match="is not documented"):
            assert_documented(response)
    with pytest.raises(jsonschema_rs.ValidationError):
        assert_documented(httpx.Response(200, json={"items": []}, request=request))


def test_responses_name_the_headers_that_they_carry() -> None:
    def headers(path: str, method: str, status: str) -> set[str]:
        return set(document()["paths"][path][method]["responses"][status]["headers"])

    generate = "/integrations/ai-avatar/generate-video"
    assert headers(generate, "post", "202") == {"Location", "Idempotency-Replayed", "X-Request-ID"}
    assert headers(generate, "post", "401") == {"WWW-Authenticate", "X-Request-ID"}
    assert headers(generate, "post", "503") == {"Retry-After", "X-Request-ID"}
    assert headers("/integrations/ai-avatar", "post", "201") == {"Location", "X-Request-ID"}
    assert headers("/integrations/ai-avatar", "post", "200") == {"X-Request-ID"}
    assert headers("/integrations/ai-avatar", "post", "429") == {"Retry-After", "X-Request-ID"}
    for _, _, operation in operations():
        for response in operation["responses"].values():
            assert "X-Request-ID" in resolve(response)["headers"]


def test_fields_with_defaults_are_optional_in_requests_and_present_in_responses() -> None:
    schemas = document()["components"]["schemas"]

    assert schemas["GenerateVideo"]["required"] == ["content_id"]
    assert schemas["IntegrationCreate"]["required"] == ["api_key"]
    for name in ("Integration", "Generation", "Video", "VideoPage"):
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"])
    for name, schema in schemas.items():  # generators of types take a field with a default for required
        assert not [part for part in schema.get("properties", {}).values() if "default" in part], name


def test_keys_are_write_only_and_no_response_but_one_has_them() -> None:
    schemas = document()["components"]["schemas"]
    holders = {name for name, schema in schemas.items() if "api_key" in schema.get("properties", {})}

    assert holders == {"IntegrationCreate", "IntegrationUpdate", "Credentials"}
    for name in ("IntegrationCreate", "IntegrationUpdate"):
        assert '"writeOnly": true' in json.dumps(schemas[name]["properties"]["api_key"])


def test_providers_of_the_registry_are_in_the_document() -> None:
    assert document()["components"]["schemas"]["Provider"]["enum"] == [*PROVIDERS]


def test_events_of_the_stream_have_a_schema() -> None:
    operation = document()["paths"]["/integrations/ai-avatar/videos/{content_id}/events"]["get"]
    stream = operation["responses"]["200"]["content"]["text/event-stream"]
    event, data = stream["example"].strip().splitlines()

    assert stream["schema"]["contentSchema"]["items"] == {"$ref": "#/components/schemas/VideoEvent"}
    validate(
        {"event": event.removeprefix("event: "), "data": json.loads(data.removeprefix("data: "))},
        stream["schema"]["contentSchema"]["items"],
    )
    for name in ("expired_token", "access_ended"):
        validate({"event": name, "data": {}}, stream["schema"]["contentSchema"]["items"])


@pytest.mark.anyio
async def test_webhook_is_described_as_the_service_sends_it(api: Api, webhook: WebhookReceiver) -> None:
    await api.start()
    described = document()["webhooks"]["generationRequested"]["post"]
    [delivery] = webhook.deliveries

    body = described["requestBody"]["content"]["application/json"]
    for payload in (delivery.json, body["example"]):
        validate(payload, body["schema"])
        assert payload.keys() == resolve(body["schema"])["properties"].keys()
    headers = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert headers.keys() == {name for name in delivery.headers if name.startswith("webhook-")}
    for name, parameter in headers.items():
        sent = delivery.headers[name]
        validate(int(sent) if parameter["schema"].get("type") == "integer" else sent, parameter["schema"])
        validate(parameter["example"], parameter["schema"])
    assert delivery.headers["authorization"].startswith("Bearer ")
    assert described["security"] == [{"webhookToken": []}]
