"""Whether an answer says that the money, or the quota, is at its end, in the vendor's own words.

Such an answer says nothing about the request, and no waiting within a run helps: whoever reads one stops sending. There is one status for it
(402), and vendors who use others, with codes and sentences of their own. Each form below was seen; `tests/wire/test_quota.py` says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from conformance.wire.exchange import NOT_JSON, Exchange, Response
from conformance.wire.retry import is_turned_away, time_of, wait_asked_for
from conformance.wire.shown import legible

_MOST_WORDS = 300
"""Characters of a vendor's sentence that are shown; OpenAI's has 193."""

_LONGEST_CODE = 60
_MOST_PLAIN_TEXT = 500
"""Bytes of an answer that is not JSON, if it is to be a sentence and not a page of HTML."""

_MAY_SAY_SO = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Besides 402. 400 is DashScope's and Groq's, 401 and 403 are Mistral's, 412 is Fireworks'."""

_CODES = {
    "accountoverdueerror",
    "allocationquotafreetieronly",
    "arrearage",
    "billinghardlimitreached",
    "billingnotactive",
    "blockedapiaccess",
    "budgetexceeded",
    "creditlimit",
    "exceededcurrentquotaerror",
    "insufficientbalance",
    "insufficientcredits",
    "insufficientquota",
    "insufficientuserquota",
    "pretokenquotafailed",
    "spendlimitexceeded",
    "spendlimitreached",
}
"""Codes and types in small letters, without anything but letters and digits."""

_SAYINGS = (
    r"exceed(?:ed)? (?:your |its |the )?current quota",
    r"(?:credit|account) balance is (?:too low|insufficient|not enough)",
    r"insufficient (?:account )?(?:balance|credits?|funds|quota)",
    r"account is in good standing",
    r"billing (?:hard )?limit has been reached",
    r"your account is not active, please check your billing",
    r"(?:used|consumed) all (?:your |the )?(?:available |remaining )?credits",
    r"(?:reached|exceeded) (?:its|your|the) (?:monthly )?(?:spending|spend|billing) limit",
    r"reaching the monthly spending limit",
    r"overdue (?:account|payment|balance)",
    r"credit limit exceeded",
    r"requires more credits",
    r"budget has been exceeded",
    r"inactive subscription or usage limit reached",
    r"quota is not enough",
    r"free tier (?:of the model |quota )?(?:has been|is) exhausted",
    r"free allocated quota exceeded",
    r"余额不足",
    r"额度不足",
    r"额度失败",
    r"欠费",
)
"""What means it, whatever the status. Only what no message about a parameter says: a 400 may repeat what was sent."""

_SENTENCES = re.compile("|".join(_SAYINGS))

_WORDS_OF_MONEY = re.compile(
    r"\b(?:balance|credits?|billing|arrears|arrearage|overdue|recharge|top up)\b|余额|充值|账单"
)
"""What a 403 speaks of that is not about permission."""

_OF_A_SHORT_TIME = re.compile(
    r"per[- ](?:second|minute)|rate[- ]limit|token-limit|try again|retry in|\b(?:rpm|tpm|rps|tps)\b|requests limit"
)
"""What makes "you exceeded your current quota" in a 429 a limit on rate. DashScope says with OpenAI's very words that the tokens of a minute
are used up, and links to `error-code#token-limit`; Gemini says so of a minute's requests, and links to its page on rate limits."""

_OF_A_DAY = re.compile(
    r"per[- ](?:day|month)|\b(?:rpd|tpd)\b|\b(?:daily|monthly)\b (?:request |token |usage )?(?:limit|quota)"
)


def quota_words(exchange: Exchange, *, horizon: float | None = None) -> str | None:
    """What the target says of money or a quota that is at its end, on one line; `None` where it says nothing of the kind.

    A limit is at its end, too, where it is lifted later than `horizon` seconds after the answer was written, or is one of a day or a month
    and says no time.
    """
    response = exchange.response
    if response is None or response.status < HTTPStatus.BAD_REQUEST:
        return None
    message = _message(response)
    if response.status == HTTPStatus.PAYMENT_REQUIRED or _says_so(response, message.lower()):
        return _words(response, message)
    if not is_turned_away(response):
        return None
    wait = wait_asked_for(response, time_of(exchange))
    if wait is None:
        return _words(response, message) if _OF_A_DAY.search(message.lower()) else None
    if horizon is None or wait <= horizon:
        return None
    return f"{_words(response, message)} (it asks to wait {wait:.0f} s)"


def _says_so(response: Response, message: str) -> bool:
    if response.status not in _MAY_SAY_SO:
        return False
    if response.status == HTTPStatus.TOO_MANY_REQUESTS and _OF_A_SHORT_TIME.search(message):
        return False
    if any(code in _CODES for code in _codes(response)) or _SENTENCES.search(message):
        return True
    return response.status == HTTPStatus.FORBIDDEN and bool(_WORDS_OF_MONEY.search(message))


def _words(response: Response, message: str) -> str:
    return legible(message, _MOST_WORDS) or f"status {response.status}, without a word"


# -- where an answer says what ---------------------------------------------------------------------------------------------------------


def _message(response: Response) -> str:
    """The sentence in an error, wherever vendors put it."""
    found = response.json
    if found is NOT_JSON:
        return response.body.decode("utf-8", "replace") if len(response.body) <= _MOST_PLAIN_TEXT else ""
    for place in _places(found):
        for name in ("message", "detail", "msg", "error"):
            if isinstance(place.get(name), str) and place[name].strip():
                return str(place[name])[: 4 * _MOST_WORDS]
    return ""


def _codes(response: Response) -> Iterator[str]:
    """The codes and types of an error, made comparable."""
    for place in _places(response.json):
        for name in ("code", "type", "status", "reason"):
            code = place.get(name)
            if isinstance(code, str) and len(code) <= _LONGEST_CODE:
                yield "".join(filter(str.isalnum, code.lower()))


def _places(document: Any) -> Iterator[dict[str, Any]]:
    """Where the particulars of an error stand: in `error`, or `detail`, or at the top; Gemini puts a list around it all."""
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return
    for name in ("error", "detail"):
        if isinstance(document.get(name), dict):
            yield document[name]
    yield document
