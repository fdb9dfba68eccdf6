"""An account, its server, and the connector with a configuration for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from declarative_runner import Connector, Ran
from persistiq_api import PREFIX, PersistiqApi
from persistiq_world import World
from serving import SampleServer

FOLDER = Path(__file__).resolve().parents[1]
KEY = "sample-key-1111111111111111"
STREAMS = (
    *("users", "leads", "campaigns", "lead_statuses", "lead_fields", "campaign_leads", "events"),
    *("dnc_domains", "tags", "campaign_replies"),
)
Paging = Literal["key", "offset"]


class Scene:
    """`before` sees each request first, as SampleServer's does; `options` are those of the API."""

    def __init__(self, folder: Path, world: World, **options: Any) -> None:
        self.world = world
        self.api = PersistiqApi(world, KEY, **options)
        self.connector = Connector(FOLDER, folder)
        self.before: Any = None
        self.server = SampleServer(self.api, before=lambda request: self.before(request) if self.before else None)

    def config(self, **others: Any) -> dict[str, Any]:
        fixed = {"api_key": KEY, "api_url": f"{self.server.url}{PREFIX}", "requests_per_minute": 1000}
        return fixed | {"include_replies": True} | others

    def read(self, streams: Any = None, state: Any = None, **others: Any) -> Ran:
        return self.connector.read(self.config(**others), streams, state)

    def requests(self, since: int = 0) -> list[str]:
        return [request.path.removeprefix(PREFIX) for request in self.server.log[since:]]
