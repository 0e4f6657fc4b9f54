"""From pieces of text to what goes over the wire: the plain body, the chunks of a stream, their bytes, and errors.

Every dict that leaves the server is built by a method of `Answering`, each of which can be overridden alone.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .generate import Generating, Piece, Prompt, Scored
from .request import Params
from .values import Refusal

Body = dict[str, Any]
Chunk = Body | Literal["[DONE]"]
DONE: Final = "[DONE]"


@dataclass
class Response:
    """An HTTP answer: a body in one piece (it then has a Content-Length) or in several, as they come."""

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Completion:
    """One finished completion: what its pieces add up to. ``generated`` counts tokens that are not shown, too."""

    index: int
    text: str = ""
    scored: list[Body] = field(default_factory=list)
    generated: int = 0
    finish_reason: str | None = None
    score: float = 0.0


class Answering(Generating):
    """The response side of the server."""

    system_fingerprint = "fp_reference"

    # ---- the plain answer ------------------------------------------------------------------------------------------

    async def answer(self, params: Params, prompts: Sequence[Prompt]) -> Body:
        """Generate everything, then give the body of a plain answer."""
        completions = await self.complete(params, prompts)
        chosen = self.choose(params, completions)
        body = self.envelope(self.new_id(), self.now())
        body["choices"] = [self.plain_choice(params, completion) for completion in chosen]
        body["usage"] = self.usage(
            self.count_prompts(params, prompts),
            self.count_completions(params, completions),
        )
        return body

    async def complete(self, params: Params, prompts: Sequence[Prompt]) -> list[Completion]:
        """Join the pieces of each completion, the candidates of `best_of` among them."""
        completions = [Completion(index) for index in range(len(prompts) * params.candidates)]
        async for piece in self.generate(params, prompts):
            completion = completions[piece.index]
            completion.text += piece.text
            completion.scored.append(self.logprobs(params, prompts, piece) or {})
            completion.generated += piece.generated
            completion.finish_reason = piece.finish_reason
            completion.score = piece.score
        return completions

    def choose(self, params: Params, completions: list[Completion]) -> list[Completion]:
        """Of the candidates for each prompt keep the best `n`: "the one with the highest log probability per token"."""
        if params.candidates == params.n:
            return completions
        chosen: list[Completion] = []
        for first in range(0, len(completions), params.candidates):
            candidates = completions[first : first + params.candidates]
            chosen += sorted(candidates, key=lambda candidate: -candidate.score)[: params.n]
        for index, completion in enumerate(chosen):
            completion.index = index
        return chosen

    def plain_choice(self, params: Params, completion: Completion) -> Body:
        """Give one member of `choices`."""
        logprobs = None if params.logprobs is None else self.join_logprobs(completion.scored)
        return self.choice(completion.index, completion.text, logprobs, completion.finish_reason)

    def join_logprobs(self, parts: Sequence[Body]) -> Body:
        """Join the log probabilities of all pieces of a choice."""
        joined: Body = {name: [] for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
        for part in parts:
            for name, values in part.items():
                joined[name] += values
        return joined

    # ---- the stream --------------------------------------------------------------------------------------------------

    async def chunks(self, params: Params, prompts: Sequence[Prompt]) -> AsyncIterator[Chunk]:
        """Give the chunks of a streamed answer: one for each piece, with `include_usage` one more, then ``[DONE]``."""
        identity, created = self.new_id(), self.now()
        prompt_tokens = self.count_prompts(params, prompts)
        generated = 0
        async for piece in self.generate(params, prompts):
            generated += piece.generated
            chunk = self.envelope(identity, created)
            chunk["choices"] = [self.stream_choice(params, prompts, piece)]
            if params.include_usage:
                # "All other chunks will also include a `usage` field, but with a null value."
                chunk["usage"] = self.usage(prompt_tokens, generated) if params.continuous_usage else None
            yield chunk
        if params.include_usage:
            chunk = self.envelope(identity, created)
            yield chunk | {"choices": [], "usage": self.usage(prompt_tokens, generated)}
        yield DONE

    def stream_choice(self, params: Params, prompts: Sequence[Prompt], piece: Piece) -> Body:
        """Give the one member of `choices` of a chunk."""
        return self.choice(
            piece.index, piece.text, self.logprobs(params, prompts, piece), piece.finish_reason
        )

    async def events(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[bytes]:
        """Turn chunks into server-sent events; a failure on the way becomes an event with `error`, and no ``[DONE]`` follows."""
        try:
            async for chunk in chunks:
                yield self.event(chunk)
        except Exception:  # noqa: BLE001 - the status line is gone, this is the only way left to tell
            yield self.event(self.error_body("The generation failed.", "server_error", None, None))

    def event(self, chunk: Chunk) -> bytes:
        """Frame one chunk: "data-only server-sent events", each closed by a blank line."""
        return b"data: " + (chunk.encode() if isinstance(chunk, str) else self.encode(chunk)) + b"\n\n"

    # ---- what both share ---------------------------------------------------------------------------------------------

    def envelope(self, identity: str, created: int) -> Body:
        """Give what surrounds `choices`, in a plain answer and in each chunk."""
        return {
            "id": identity,
            "object": "text_completion",
            "created": created,
            "model": self.model_name,
            "system_fingerprint": self.system_fingerprint,
        }

    def choice(self, index: int, text: str, logprobs: Body | None, finish_reason: str | None) -> Body:
        """Give one choice; all four members are required, `logprobs` is null unless it was asked for."""
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish_reason}

    def logprobs(self, params: Params, prompts: Sequence[Prompt], piece: Piece) -> Body | None:
        """Give the log probabilities of one piece, in the shape of the legacy endpoint.

        `text_offset` counts characters from the beginning of the prompt, also when the prompt is not echoed, as OpenAI does.
        """
        if params.logprobs is None:
            return None
        base = 0 if piece.is_prompt else len(prompts[piece.index // params.candidates].text)
        return {
            "tokens": [self.spell(one.token) for one in piece.scored],
            "token_logprobs": [one.logprob for one in piece.scored],
            "top_logprobs": [self.top_logprobs(one) for one in piece.scored],
            "text_offset": [base + one.start for one in piece.scored],
        }

    def top_logprobs(self, one: Scored) -> Body | None:
        """Map the most likely tokens to their log probabilities, with the sampled token among them."""
        return None if one.top is None else {self.spell(token): value for token, value in one.top}

    def spell(self, token: int) -> str:
        """Spell a token as a string."""
        return self.model.tokenizer.spelling[token]

    def count_prompts(self, params: Params, prompts: Sequence[Prompt]) -> int:  # noqa: ARG002 - for those who override it
        """Count the tokens of all prompts, each once, whatever `n` is."""
        return sum(prompt.count for prompt in prompts)

    def count_completions(self, params: Params, completions: Sequence[Completion]) -> int:  # noqa: ARG002 - as above
        """Count all generated tokens: "[max_tokens * max(n, best_of)]" is what OpenAI bills, so unchosen candidates count."""
        return sum(completion.generated for completion in completions)

    def usage(self, prompt_tokens: int, completion_tokens: int) -> Body:
        """Give the `usage` object."""
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }

    def new_id(self) -> str:
        """Make an id that no other completion has."""
        return f"cmpl-{uuid.uuid4().hex}"

    def now(self) -> int:
        """Give the time in whole seconds since 1970."""
        return int(time.time())

    def encode(self, body: Body) -> bytes:
        """Encode JSON as UTF-8."""
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    # ---- answers ----------------------------------------------------------------------------------------------------

    def json_response(
        self, body: Body, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Give an answer of one JSON object."""
        return Response(status, self.encode(body), {"content-type": "application/json", **(headers or {})})

    def stream_response(self, events: AsyncIterator[bytes]) -> Response:
        """Give an answer that is a stream of events."""
        return Response(
            200, events, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        )

    def error_body(self, message: str, kind: str, param: str | None, code: str | None) -> Body:
        """Give an error object; all four members are required, `param` and `code` may be null."""
        return {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def error(self, refusal: Refusal) -> Response:
        """Turn a refusal into an answer."""
        body = self.error_body(refusal.message, refusal.kind, refusal.param, refusal.code)
        return self.json_response(body, refusal.status, refusal.headers)
