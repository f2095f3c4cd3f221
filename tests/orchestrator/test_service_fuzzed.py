"""Everything that the OpenAPI says may be asked, and some that it says may not: no answer is a 5xx."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as trying

from orchestrator.service.settings import Limits
from tests.orchestrator import _studies
from tests.orchestrator._serving import serving

OF_EACH = 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_request_is_answered_by_a_fault_of_the_service(tmp_path: Path) -> None:
    """Searches that happen to be valid are not to be run: none may wait in the queue."""
    import schemathesis  # seconds, which only this test is to pay

    _studies.run(tmp_path, trials=3, replicates=1)
    limits = Limits(per_second=10_000, burst=100_000, queued=0)
    statuses: Counter[int] = Counter()
    with serving(tmp_path, limits=limits, trainer="/bin/false") as client:
        schema = schemathesis.openapi.from_url(f"{client.base_url}/api/openapi.json")
        for operation in schema.get_all_operations():
            asked: Any = operation.ok()  # type: ignore[union-attr]
            if asked.path.endswith(("/stream", "/plan", "/choices")):
                continue  # without an end; a process each

            @seed(5)
            @given(case=asked.as_strategy())
            @trying(
                max_examples=OF_EACH,
                deadline=None,
                phases=[Phase.generate],
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: Any) -> None:
                if "name" in case.path_parameters and len(str(case.path_parameters["name"])) % 2:
                    case.path_parameters["name"] = "s"
                answer = case.call()
                statuses[answer.status_code] += 1
                assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"

            ask()
    print(dict(sorted(statuses.items())))  # noqa: T201  (pytest -s shows it)
    assert {200, 422} <= set(statuses)
