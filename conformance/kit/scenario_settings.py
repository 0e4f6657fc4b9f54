"""What scenarios may read of the settings of a run: neither key nor address."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.contract.catalogue import Profile


@dataclass(frozen=True, kw_only=True)
class ScenarioSettings:
    """The settings that a scenario reads. A field that is added here, and its row in `conformance/options.py`, are a new option."""

    profile: Profile
    api_key_header: str | None = None
    """The header that takes the key as it is; None: `Authorization: Bearer`."""
    expensive: bool = False
    """Run what costs much, too."""
    examples: int = 0
    """How many requests are generated; a front end's default is 30."""
    gateway_model: str = "scripted"
    """The model that a gateway under test relays to the scripted upstream."""
    seed: int = 0
    """What the generated requests are drawn with."""
