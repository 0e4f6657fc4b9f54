"""A recording answers what was asked before, says what it lacks, and leaves to the target what that never answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from conformance.contract.verdict import Inconclusive, NotRecorded, Reason
from conformance.kit.facts import Facts
from conformance.kit.traffic import Incident
from conformance.run.liveness import CANARY_PROMPT
from conformance.run.recorded_traffic import RecordedTraffic
from conformance.run.recording import Recording
from conformance.run.results import End, Inputs
from conformance.run.results_document import this_suite
from conformance.run.session import Session
from conformance.wire.exchange import Auth, Exchange, Fault, FaultKind, Intent, Request
from conformance.wire.redact import Redactor
from fixtures import virtual_time
from tests.builders import answer, choice, plain, refusal

KEY = "sk-secret-0123456789"


def asked(prompt: str = "p", **fields: Any) -> Request:
    """A small valid request."""
    return Request.of({"model": "m", "prompt": prompt, "max_tokens": 1}, **fields)


def made(number: int, text: str = " hi", request: Request | None = None, **fields: Any) -> Exchange:
    """A served exchange."""
    found = plain(answer(choices=[choice(text=text)]), request or asked(), id=f"x{number}")
    return replace(found, **fields)


def recording(*exchanges: Exchange, **fields: Any) -> Recording:
    """A recording of these exchanges."""
    whole: dict[str, Any] = {
        "facts": Facts("m"),
        "url": "http://127.0.0.1:9/v1",
        "name": "",
        "suite": this_suite(),
        "started": "2026-11-28T17:38:25.089Z",
        "finished": "2026-11-28T17:38:25.089Z",
        "complete": True,
        **fields,
    }
    return Recording(exchanges, **whole)


def texts(found: Sequence[Exchange | None]) -> list[str | None]:
    """The texts of answers."""
    return [
        None if one is None or one.response is None else one.response.json["choices"][0]["text"]
        for one in found
    ]


# -- what is found ---------------------------------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_their_recording_each_once() -> None:
    """Where occasions were not written down, the k-th request gets the k-th answer, and the next one none."""
    recorded = RecordedTraffic(recording(made(1, "a"), made(2, "b"), made(3, "c", asked("q"))))

    assert texts([recorded.take(asked(), "0:0") for _ in range(3)]) == ["a", "b", None]
    assert texts([recorded.take(asked("q"), "7:any")]) == ["c"]


def test_an_occasion_has_its_own_answer() -> None:
    """Whoever asks first, each gets what it was answered in the run."""
    first, confirmed = made(1, "a", occasion="0:0"), made(2, "b", occasion="1:0")
    recorded = RecordedTraffic(recording(first, confirmed))

    assert recorded.take(asked(), "0:STOP-002#1") is None
    assert texts([recorded.take(asked(), "1:0"), recorded.take(asked(), "0:0")]) == ["b", "a"]


def test_another_suite_takes_what_there_is() -> None:
    """Where the suite has changed since, an answer of another occasion is one all the same; its own comes first."""
    old = recording(
        made(1, "a", occasion="0:0"), made(2, "b", occasion="1:0"), suite=("0.0.1", "2025-01", None)
    )
    recorded = RecordedTraffic(old)

    assert texts([recorded.take(asked(), one) for one in ("1:0", "0:X-001#1", "0:0")]) == ["b", "a", None]


@pytest.mark.parametrize(
    "other",
    [
        asked("q"),
        asked(method="PUT"),
        asked(path="/models"),
        asked(headers=(("Content-Type", "text/plain"),)),
        asked(auth=Auth.NONE),
        asked(close_after=1),
    ],
)
def test_what_the_target_could_see_must_be_the_same(other: Request) -> None:
    """Another body, method, path, header, credential or end is another request."""
    assert RecordedTraffic(recording(made(1))).take(other, "0:0") is None


def test_what_a_request_was_meant_for_need_not() -> None:
    """The target does not see it; where there are both, each gets its own."""
    meant = asked(intent=Intent.INVALID)
    recorded = RecordedTraffic(recording(made(1, "valid"), made(2, "invalid", meant)))

    assert texts([recorded.take(meant, "0:0"), recorded.take(meant, "0:1")]) == ["invalid", "valid"]


def test_what_was_redacted_is_found() -> None:
    """Neither the key nor a header that is a credential is in a recording; the requests that had them are."""
    with_secrets = replace(asked(f"say {KEY}"), headers=(("Authorization", "Bearer wrong"),))
    redactor = Redactor((KEY,))
    recorded = RecordedTraffic(recording(redactor.exchange(made(1, "a", with_secrets))), redactor)

    assert texts([recorded.take(with_secrets, "0:0")]) == ["a"]


@pytest.mark.parametrize(
    ("inputs", "auth", "had_key"),
    [
        (Inputs(0, 30, expensive=False, concurrency=8, key=True), Auth.KEY, True),
        (Inputs(0, 30, expensive=False, concurrency=8, key=False), Auth.KEY, False),
        (None, Auth.KEY, False),
        (None, Auth.NONE, True),
    ],
)
def test_whether_there_was_a_key(inputs: Inputs | None, auth: Auth, *, had_key: bool) -> None:
    """A recording says it; an older one shows it, since only with a key anything is sent without."""
    recorded = RecordedTraffic(recording(made(1, request=asked(auth=auth)), inputs=inputs))

    assert recorded.had_key is had_key


# -- what is missing -------------------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_not_judged() -> None:
    """A recording of a whole run has no answer; one of a run that ended has lost it to that end."""
    quota = End(Reason.QUOTA, "no money")

    assert isinstance(RecordedTraffic(recording()).why_missing(), NotRecorded)
    for ended, reason in (({"ended": quota}, Reason.QUOTA), ({"complete": False}, Reason.INTERRUPTED)):
        found = RecordedTraffic(recording(**ended)).why_missing()
        assert isinstance(found, Inconclusive)
        assert found.reason is reason


def test_an_older_recording_shows_its_end() -> None:
    """A canary that is told of money, or never answered again, is the end of a run that does not say so."""
    poor = refusal(402, {"error": {"message": "Insufficient Balance"}}, canary(1).request)
    gone = dead(canary(3))
    incident = Incident("it did not come back", (made(2),), recovered=False, canary=gone)
    ends = [
        RecordedTraffic(recording(made(1), replace(poor, id="x2"))).ended,
        RecordedTraffic(recording(made(1), made(2), gone, incidents=(incident,))).ended,
        RecordedTraffic(recording(made(1))).ended,
    ]

    assert [end and end.reason for end in ends] == [Reason.QUOTA, Reason.TARGET_GONE, None]


def test_an_answer_about_money_is_none() -> None:
    """What was refused for money does not speak of the request."""
    poor = refusal(402, {"error": {"message": "Insufficient Balance"}}, asked())
    recorded = RecordedTraffic(recording(poor))

    why = recorded.why_unanswered(poor)

    assert why is not None
    assert why.reason is Reason.QUOTA
    assert recorded.why_unanswered(made(2)) is None


def test_a_session_sends_nothing_where_a_recording_is_judged() -> None:
    """What is there is answered, without a cost; what is not, is said to be missing."""

    async def wire(request: Request) -> Exchange:
        raise AssertionError(request)

    async def main() -> Session:
        session = Session(wire, "m", recorded=RecordedTraffic(recording(made(4, "a"))))
        first = await session.send(asked())

        assert texts([first, await session.send(asked())]) == ["a", "a"]
        with pytest.raises(NotRecorded):
            await session.send(asked(), attempt=1)
        assert await session.still_serves([first])
        return session

    session = virtual_time.run(main())

    assert session.cost.requests == 0
    assert [one.id for one in session.exchanges] == ["x4"]


# -- going on --------------------------------------------------------------------------------------------------------------------------


def test_a_run_that_goes_on_asks_the_target_for_the_rest() -> None:
    """New exchanges are numbered behind those that were taken over, and only they cost anything."""

    async def wire(request: Request) -> Exchange:
        return made(0, "new", request)

    async def main() -> Session:
        known = RecordedTraffic(recording(made(7, "old", occasion="0:0")), goes_on=True)
        session = Session(wire, "m", recorded=known)
        found = [await session.send(asked()), await session.send(asked(), attempt=1)]

        assert texts(found) == ["old", "new"]
        return session

    session = virtual_time.run(main())

    assert [(one.id, one.occasion) for one in session.exchanges] == [("x7", "0:0"), ("x8", "1:0")]
    assert session.cost.requests == 1


def canary(number: int, **fields: Any) -> Exchange:
    """A canary that was served."""
    return made(number, request=asked(CANARY_PROMPT), **fields)


def dead(exchange: Exchange) -> Exchange:
    """The same where no answer came."""
    return replace(exchange, response=None, fault=Fault(FaultKind.DROPPED, "gone"))


@pytest.mark.parametrize(
    ("last", "fields"),
    [
        ([refusal(402, {"error": {"message": "Insufficient Balance"}}, asked("r"))], {}),
        ([refusal(429, request=asked("r"))], {}),
        ([refusal(503, request=asked("r"))], {"ended": End(Reason.RATE_LIMIT, "busy")}),
        ([replace(made(2), response=None, fault=Fault(FaultKind.CONNECT, "refused"))], {}),
        ([dead(made(2)), dead(canary(3))], {"ended": End(Reason.TARGET_GONE, "gone")}),
    ],
)
def test_what_the_target_did_not_answer_is_asked_anew(last: list[Exchange], fields: dict[str, Any]) -> None:
    """Refusals for want of money or time, broken connections, and all that came after a death are no answers."""
    rest = [replace(one, id=f"x{number}") for number, one in enumerate(last, 2)]
    recorded = RecordedTraffic(recording(made(1), *rest, **fields), goes_on=True)

    assert [one.id for one in recorded.exchanges] == ["x1"]
    assert recorded.ended is None


def test_an_answer_is_kept_whatever_it_says() -> None:
    """A 400, a 500, and an answer that broke off in the middle of a run are what the target said."""
    broken = replace(made(3), fault=Fault(FaultKind.DROPPED, "broke off"))
    answers = [refusal(400), replace(refusal(500), id="x2"), broken, made(4)]

    assert len(RecordedTraffic(recording(*answers), goes_on=True).exchanges) == 4


def test_nothing_is_kept_of_a_run_that_could_judge_nothing() -> None:
    """Its first answer was a refusal, which is to be asked for again."""
    assert not RecordedTraffic(recording(made(1), unusable="a wrong key"), goes_on=True).exchanges


# -- incidents -------------------------------------------------------------------------------------------------------------------------


def test_an_incident_comes_where_it_was() -> None:
    """The target is taken to serve until the canary that no longer was, which followed what killed it."""
    killer, unserved = made(2, request=asked("kill", intent=Intent.INVALID)), dead(canary(3))
    incident = Incident("it came back later", (killer,), recovered=True, canary=unserved)
    recorded = RecordedTraffic(
        recording(
            made(1), killer, unserved, canary(4), made(5, request=asked("later")), incidents=(incident,)
        )
    )

    recorded.take(asked(), "0:0")
    assert recorded.still_served()
    assert not recorded.incidents

    recorded.take(killer.request, "0:0")
    assert recorded.still_served()
    assert recorded.incidents == [incident]


def test_a_death_is_not_outlived() -> None:
    """After the canary that found it dead for good, it does not serve."""
    unserved = dead(canary(2))
    incident = Incident("it did not come back", (made(1),), recovered=False, canary=unserved)
    recorded = RecordedTraffic(recording(made(1), unserved, incidents=(incident,)))

    recorded.take(asked(), "0:0")

    assert not recorded.still_served()
