"""What a default run may cost: each request is somebody's money."""

from __future__ import annotations

import pytest

from conformance.options import DEFAULT_EXAMPLES
from fixtures.doubles import KEY, MODEL
from fixtures.operators.judging import run
from fixtures.shaper import Seeded

MOST_REQUESTS, MOST_TOKENS = 400, 5_000


@pytest.mark.whole_run
def test_a_default_run_costs_no_more_than_it_may() -> None:
    """Whatever is asked for anew takes the place of something else."""
    cost = run(Seeded(MODEL, KEY), DEFAULT_EXAMPLES).cost

    assert cost.requests <= MOST_REQUESTS
    assert cost.generated_tokens <= MOST_TOKENS
