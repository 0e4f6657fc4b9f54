"""The gate of harm: whatever a target sends, a run before it ends by itself, with a whole report, and tells no secret.

Each mode is tried in a process of its own, so that what it does to that can be measured. Here a part of them is, with some of each kind;
`benchmarks/hostile.py` tries all, and measures how long the loop stalls, which is for no test to judge.
"""

from __future__ import annotations

import pytest

from fixtures.hostile.fragments import KEY, SECRETS, fragments_in
from fixtures.hostile.modes import MODES, REPEATING, Kind, Mode, outcomes
from fixtures.hostile.reflections import SPELLINGS
from fixtures.hostile.trial import MOST_MEMORY, attempt

_ONE_IN = 6


@pytest.mark.gate
@pytest.mark.parametrize("mode", MODES[::_ONE_IN], ids=lambda mode: mode.name)
def test_a_hostile_target_does_no_harm(mode: Mode) -> None:
    """The run ends, blames nothing on the suite, tells no fragment of a secret, and stays small."""
    trial = attempt(mode)

    assert trial.errors == ()
    assert trial.fragments == ()
    assert trial.outcome in mode.gives
    assert trial.memory <= MOST_MEMORY


def test_there_are_enough_modes() -> None:
    """No two have one name, each kind has its share, and what comes out of each that repeats is written down."""
    assert outcomes().keys() == {mode.name for mode in MODES if mode.kind in REPEATING}
    assert len({mode.name for mode in MODES}) == len(MODES) >= 150
    assert {mode.kind for mode in MODES[::_ONE_IN]} == set(Kind)


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_spelling_is_seen_through(spelled: object) -> None:
    """The search for what is left of a secret finds it in each spelling that is tried, or a gate would be blind."""
    assert callable(spelled)
    assert fragments_in(f"you sent {spelled(KEY)}, didn't you")
    assert not fragments_in("you sent [removed], didn't you")
    assert all(len(secret) >= 16 for secret in SECRETS)


@pytest.mark.whole_run
def test_a_trial_measures() -> None:
    """One mode of each kind that is quickly tried."""
    modes = [
        next(mode for mode in MODES if mode.kind is kind and "clos" in mode.what)
        for kind in (Kind.CONNECTION,)
    ]
    modes += [next(mode for mode in MODES if mode.kind is kind) for kind in (Kind.VALUE, Kind.REFLECTION)]

    for trial in map(attempt, modes):
        assert (trial.errors, trial.fragments) == ((), ()), trial
        assert trial.memory > 0
