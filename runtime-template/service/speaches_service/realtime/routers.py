"""Installs this package in upstream's two routers of realtime sessions, over WebSocket and over WebRTC."""

from speaches_service.realtime import events, input_audio, sessions
from speaches_service.rebinding import imported
from speaches_service.settings import Settings

ROUTERS = ("speaches.routers.realtime_ws", "speaches.routers.realtime_rtc")


def rebind(settings: Settings) -> None:
    # The sample has no realtime sessions.
    routers = [module for name in ROUTERS if (module := imported(name)) is not None]
    if not routers:
        return
    events.rebind(routers)
    sessions.rebind(routers, settings)
    input_audio.rebind(routers)
