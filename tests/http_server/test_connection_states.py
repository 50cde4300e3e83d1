"""The states of a connection: the drawing in the docstring has the arrows that the code follows."""

import itertools
import re

import pytest

from helpers import run
from label_studio_ml.http_server import connection_states
from label_studio_ml.http_server.connection import Connection
from label_studio_ml.http_server.connection_states import NEXT_STATES, State
from label_studio_ml.http_server.server_state import ServerState
from wire import Endpoints


def _drawn() -> set[tuple[str, str]]:
    """Return the arrows in the docstring, as pairs of states."""
    arrows: set[tuple[str, str]] = set()
    names = [state.name for state in State]
    for line in (connection_states.__doc__ or "").split("\n\n")[2].splitlines():
        places = re.split(r"──.*?──▶", line)
        for before, after in itertools.pairwise(places):
            sources = names if "any state" in before else re.findall(r"[A-Z]+", before)
            arrows |= set(itertools.product(sources, re.findall(r"[A-Z]+", after)))
    return {(source, target) for source, target in arrows if source != target}


def test_the_drawing_has_the_arrows_of_the_code() -> None:
    assert _drawn() == {(state.name, after.name) for state, ends in NEXT_STATES.items() for after in ends}


@pytest.mark.parametrize("state", State)
def test_nothing_else_changes_the_state(state: State) -> None:
    async def test() -> None:
        for other in State:
            made = Connection(ServerState(Endpoints(), 1000))
            made._state = state
            assert made._enter(other) is (other in NEXT_STATES[state])
            assert made.state is (other if other in NEXT_STATES[state] else state)

    run(test())
