"""When a player is paused and resumed, without a graph."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.task import Future

from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.errors import AnyviewError
from anyview_ros.node.streaming import back_pressure
from anyview_ros.node.streaming.back_pressure import BackPressure

SHAPE = ClipShape(frames=9, overlap=1, period_ns=10**8)
MUCH = 2 * SHAPE.frames


class Player:
    """A node's view of a player, which may end."""

    def __init__(self) -> None:
        self.is_there, self.calls = True, list[str]()
        self.context = SimpleNamespace(ok=lambda: True)

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        names = ("/player/pause", "/player/resume") if self.is_there else ()
        return [(name, ["std_srvs/srv/Trigger"]) for name in names]

    def create_client(self, kind: type, name: str, callback_group: object) -> Any:
        def call_async(request: object) -> Any:
            self.calls.append(name.removeprefix("/player/"))
            answered: Any = Future()
            answered.set_result(SimpleNamespace(success=True))
            return answered

        return SimpleNamespace(service_is_ready=lambda: self.is_there, call_async=call_async)


@pytest.fixture
def player() -> Player:
    return Player()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(back_pressure, "RETRY_S", 0.0)
    monkeypatch.setattr(back_pressure, "_service_type", lambda *_: SimpleNamespace(Request=object))
    return SimpleNamespace(back_pressure="player", back_pressure_node="/player", buffer_s=10.0)


@pytest.fixture
def pressure(player: Player, settings: SimpleNamespace) -> BackPressure:
    node: Any = player
    return BackPressure(node, lambda: settings, lambda: None)


def goes_on(pressure: BackPressure) -> bool:
    before = pressure.now_ns()
    return pressure.now_ns() > before


def test_a_player_is_paused_until_a_clip_is_left(pressure: BackPressure, player: Player) -> None:
    for backlog in (SHAPE.frames, MUCH, MUCH, SHAPE.frames + 1):
        pressure.regulate([backlog], SHAPE)
    assert player.calls == ["pause"]
    assert pressure.holding
    assert not goes_on(pressure)
    pressure.regulate([SHAPE.frames], SHAPE)
    assert player.calls == ["pause", "resume"]
    assert goes_on(pressure)


@pytest.mark.parametrize("backlog", [0, MUCH])
def test_a_player_that_ends_while_it_is_paused_holds_up_nothing(
    pressure: BackPressure, player: Player, backlog: int
) -> None:
    """Our clock goes on: the last frames are answered, and none waits for its pose for ever."""
    pressure.regulate([MUCH], SHAPE)
    player.is_there = False
    pressure.regulate([backlog], SHAPE)
    assert not pressure.holding
    assert goes_on(pressure)
    assert (pressure.problem is not None) == bool(backlog)
    player.is_there = True  # it was out of sight only, or it is another one
    pressure.regulate([MUCH], SHAPE)
    assert pressure.holding
    pressure.regulate([0], SHAPE)
    assert player.calls == ["pause", "pause", "resume"]
    assert pressure.problem is None


def test_a_paused_player_is_resumed_where_the_parameter_changes(
    pressure: BackPressure, player: Player, settings: SimpleNamespace
) -> None:
    pressure.regulate([MUCH], SHAPE)
    settings.back_pressure, settings.back_pressure_node = "none", "/another"
    pressure.regulate([MUCH], SHAPE)
    assert player.calls == ["pause", "resume"]
    assert goes_on(pressure)


def test_without_a_model_nothing_is_held(pressure: BackPressure, player: Player) -> None:
    pressure.regulate([MUCH], SHAPE)
    pressure.release()
    assert player.calls == ["pause", "resume"]
    assert goes_on(pressure)
    pressure.release()
    assert player.calls == ["pause", "resume"]


def test_streams_are_not_asked_under_the_lock(player: Player, settings: SimpleNamespace) -> None:
    """They hold a lock of their own when they ask for the time; an answer may come at once."""

    def on_answer() -> None:
        asks = threading.Thread(target=pressure.now_ns, daemon=True)
        asks.start()
        asks.join(5.0)
        assert not asks.is_alive(), "the time is locked"

    node: Any = player
    pressure = BackPressure(node, lambda: settings, on_answer)
    pressure.regulate([MUCH], SHAPE)
    assert player.calls == ["pause"]


@pytest.mark.parametrize("kind", ["absent_msgs/srv/Pause", "std_srvs/srv/Absent"])
def test_a_type_that_is_not_installed_here_is_named(kind: str) -> None:
    """Also of a package that is, in another version."""
    with pytest.raises(AnyviewError, match=f"'/player/pause' is a {kind}, which is not inst") as e:
        back_pressure._service_type("/player/pause", kind)
    assert e.value.code == "unknown_service_type"
