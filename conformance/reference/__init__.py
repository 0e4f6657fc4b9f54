"""The embedded reference server: a complete and correct `POST /v1/completions` with a language model of its own.

It shares no code with the checks: a server that shares code with its judge proves nothing. It is the target of a run without options,
and the body on which the doubles of the suite (one named defect each) are built.

>>> with start() as server:  # doctest: +SKIP
...     print(server.url)
"""

from .answer import Completion, Response
from .app import Reference, Request
from .generate import Choice, Piece, Prompt, Scored
from .model import CONTEXT_LENGTH, Distribution, Model, State, default_model
from .request import Params, Reading
from .serve import Running, serve, start
from .tokenizer import Tokenizer
from .values import Refusal

__all__ = [
    "CONTEXT_LENGTH",
    "Choice",
    "Completion",
    "Distribution",
    "Model",
    "Params",
    "Piece",
    "Prompt",
    "Reading",
    "Reference",
    "Refusal",
    "Request",
    "Response",
    "Running",
    "Scored",
    "State",
    "Tokenizer",
    "default_model",
    "serve",
    "start",
]
