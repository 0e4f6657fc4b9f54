"""Before a gateway is judged: its scripted model comes to the scripted upstream, and the model of an engine does not."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from conformance.contract.catalogue import Requirement
from conformance.contract.verdict import Reason
from conformance.gateway.received import UpstreamSide
from conformance.gateway.upstream import HOST
from conformance.kit.gateway_relay import nothing_arrived, relay
from conformance.kit.target import Target
from conformance.kit.upstream_elsewhere import UpstreamElsewhere, UpstreamUnusableError
from conformance.options import OptionError
from conformance.run.preflight import UnusableTarget

_AREA = "gateway"
"""The area of what takes the scripted upstream."""


def expect_free_port(port: int) -> None:
    """Raise `OptionError` where the run could not serve its upstream there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise OptionError(
                f"--gateway-upstream-port: the run can't listen on port {port}: {error.strerror or error}. Where that is"
                f" `completions-conformance upstream`, use it with --gateway-upstream-url=http://{HOST}:{port}, or end it"
            ) from error


async def meet_upstream(upstream: UpstreamSide | None) -> None:
    """Begin with an upstream that was up before the run; raises `UnusableTarget` where there is none of ours."""
    if isinstance(upstream, UpstreamElsewhere):
        try:
            await upstream.begin()
        except UpstreamUnusableError as why:
            raise UnusableTarget(str(why), Reason.PRECONDITION) from why


async def gateway_preflight(target: Target, selected: Iterable[Requirement]) -> None:
    """Raise `UnusableTarget` where the gateway is set up so that nothing of what is `selected` could be judged."""
    upstream = target.upstream
    if upstream is None:
        return
    of_gateways = {one.area == _AREA for one in selected}
    if False in of_gateways and await upstream.has_been_asked_for_more():
        raise UnusableTarget(
            f"The gateway relays the model {target.facts.model!r} to the scripted upstream on {upstream.place}, so there is no engine"
            " whose answers could be judged.\nLet it relay two models: one to a real engine (--model), and one to the scripted upstream"
            " (--gateway-model). Or judge the relay alone: -k GW.",
            Reason.PRECONDITION,
        )
    if of_gateways == {True}:
        first = await relay(target, "plain")
        if not await upstream.scripts():
            raise UnusableTarget(f"Nothing can be judged: {nothing_arrived(target, first.exchange)}.")
