"""A first answer that can't be read is evidence, too: a rule says what is wrong with it, and nothing else is blamed."""

from __future__ import annotations

import pytest

from conformance.contract.verdict import Verdict
from conformance.run.results import RunOutcome
from fixtures.truth.proof import garbled, judged


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"logprobs":null', b'"logprobs":NaN'), (b"}]", b'}],,"x":['), (b'"index":0', b'"index":')],
)
def test_an_unreadable_first_answer_fails_what_it_breaks(old: bytes, new: bytes) -> None:
    """HTTP-002 fails with the exchange that shows it, the run breaks, and whatever else is inconclusive says why."""
    found = judged(garbled(old, new))
    failed = {one.requirement.id: one for one in found.results if one.verdict is Verdict.FAIL}

    assert [*failed] == ["HTTP-002"]
    assert failed["HTTP-002"].exchanges[0] == "x1"
    assert found.outcome is RunOutcome.BREAKS
    assert found.unusable is None
    assert len(found.exchanges) < 5
    assert all("can't be read" in one.message for one in found.results if one.verdict is Verdict.INCONCLUSIVE)
