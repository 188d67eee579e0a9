"""Generated requests, as the service's own OpenAPI document describes them and otherwise, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.servers import serve_app
from support.service import settings as service_settings
from support.tenants import N8N_HEADERS, SERVICE_HEADERS

from app.main import create_app

load_all_checks()
schema = schemathesis.openapi.from_dict(
    create_app(service_settings("postgresql://unknown@127.0.0.1:1/none")).openapi()
)


@pytest.fixture(scope="module")
def service_url(database_url: str, heygen_url: str) -> Iterator[str]:
    """The service with a HeyGen to which `sandbox-` keys are good, and no n8n."""
    providers = {"heygen": {"api_url": heygen_url}}
    with serve_app(create_app(service_settings(database_url, providers=providers))) as url:
        yield url


@pytest.mark.slow
# The service runs in a thread of this process, and its background tasks use `random` for their jitter.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@schema.parametrize()
@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)
def test_no_request_gets_a_500_or_an_answer_that_is_not_in_the_document(
    case: "schemathesis.Case[Any]", service_url: str
) -> None:
    headers = N8N_HEADERS if case.path.startswith("/n8n") else SERVICE_HEADERS
    response = case.call(base_url=service_url, headers=headers, timeout=20)
    assert response.status_code != 500, response.text
    case.validate_response(
        response,
        checks=[status_code_conformance, content_type_conformance, response_schema_conformance],
        headers=headers,
    )
