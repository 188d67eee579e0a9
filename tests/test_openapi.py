"""The OpenAPI document: what generated clients, explorers and validators find in it."""

from typing import Any

import pytest
from support.service import settings

from app.main import create_app


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(settings("postgresql://nobody@127.0.0.1:1/none")).openapi()


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


def test_operation_ids_are_the_method_names_of_generated_clients(document: dict[str, Any]) -> None:
    found = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert found == OPERATION_IDS
