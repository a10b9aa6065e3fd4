"""Hostile requests to the JSON interface, made by schemathesis from its own description."""

import pytest
from test_server import Client

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, which makes the requests")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402


@pytest.fixture(scope="module")
def client(model_files):
    client = Client([model_files / name for name in ("mixture", "kn", "neural")])
    yield client
    client.close()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_request_has_an_answer_that_was_described(client, mode):
    """No request makes the server fail: what is right is answered as described, what is wrong is refused."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{client.port}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 7
    for operation in operations:
        if mode == GenerationMode.NEGATIVE and operation.method == "get":
            continue  # there is nothing in it that could be wrong

        @settings(max_examples=40, derandomize=True, deadline=None, database=None, suppress_health_check=HealthCheck)
        @given(operation.as_strategy(generation_mode=mode))
        def check(case):
            case.call_and_validate(excluded_checks=[positive_data_acceptance])  # names of models are no schema's

        check()
