"""The conformance suite for the OpenAI-compatible endpoint `POST /v1/completions`.

What is public in Python stands in `__all__`:

    from conformance import judge

    results = judge("http://127.0.0.1:8000/v1", model="tiny", profile="vllm")
    print(results.failed, [result.requirement.id for result in results.results if result.fails])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.run.api import judge
    from conformance.run.results import Result, Results

__version__ = "0.1.0"
__all__ = ["Result", "Results", "judge"]

_PLACES = {
    "Result": "conformance.run.results",
    "Results": "conformance.run.results",
    "judge": "conformance.run.api",
}


def __getattr__(name: str) -> Any:
    """Import what is public when it is first asked for: every pytest in an environment imports this package."""
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
