"""Query parameters that an operation does not document. Bodies are in test_errors.py."""

import httpx
import pytest
from support.api import ROOT, Api
from support.problems import assert_problem

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_unknown_parameter_is_named_with_the_nearest_known_one(api: Api, prefix: str) -> None:
    response = await api.request("GET", f"{prefix}{ROOT}?limt=5&provider=heygen")
    [error] = assert_problem(response, 422, "invalid_request")["errors"]
    assert error["field"] == "query.limt"
    assert error["message"] == "`limt` is not a parameter of this operation. Did you mean `limit`?"


@pytest.mark.parametrize("query", ["a", "%00=1", "&&x=&", "=1", "Provider=heygen", "provider[]=heygen"])
async def test_every_form_of_an_unknown_parameter_is_refused(api: Api, query: str) -> None:
    assert_problem(await api.request("GET", f"{ROOT}?{query}"), 422, "invalid_request")


async def test_many_and_long_unknown_parameters_are_cut(api: Api) -> None:
    response = await api.request("GET", ROOT, params={f"{'x' * 200}{number}": "" for number in range(60)})
    errors = assert_problem(response, 422, "invalid_request")["errors"]
    assert len(errors) == 50
    assert all(len(error["field"]) <= 110 for error in errors)


async def test_value_of_an_unknown_parameter_is_not_repeated(api: Api) -> None:
    response = await api.request("GET", f"{ROOT}?token=canary-41b7")
    assert_problem(response, 422, "invalid_request")
    assert "canary-41b7" not in response.text


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/settings/integrations"]
)
async def test_pages_and_operations_for_monitoring_take_any_parameter(
    client: httpx.AsyncClient, path: str
) -> None:
    assert (await client.get(f"{path}?utm_source=mail")).status_code == 200
    assert (await client.get("/nowhere?utm_source=mail")).status_code == 404
