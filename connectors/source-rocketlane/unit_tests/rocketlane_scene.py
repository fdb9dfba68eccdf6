"""An account, its server, and the connector with a configuration for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from declarative_runner import Connector, Ran
from rocketlane_api import PREFIX, RocketlaneApi
from rocketlane_world import World
from serving import SampleServer, as_json
from werkzeug import Request, Response

FOLDER = Path(__file__).resolve().parents[1]
KEY = "rl-11111111-2222-4333-8444-555555555555"
STREAMS = (
    *("projects", "tasks", "users", "fields", "time_offs", "spaces", "phases", "time_entries", "space_documents"),
    *("resource_allocations", "invoices", "invoice_lines", "invoice_payments", "time_entry_categories"),
    *("conversations", "comments", "companies"),
)
Paging = Literal["key", "offset"]


class Scene:
    """`before` sees each request first, as SampleServer's does; `options` are those of the API."""

    def __init__(self, folder: Path, world: World, **options: Any) -> None:
        self.world = world
        self.api = RocketlaneApi(world, KEY, **options)
        self.connector = Connector(FOLDER, folder)
        self.before: Any = None
        self.server = SampleServer(self.api, before=lambda request: self.before(request) if self.before else None)

    def config(self, **others: Any) -> dict[str, Any]:
        return {"api_key": KEY, "api_url": f"{self.server.url}{PREFIX}", "requests_per_minute": 400} | others

    def read(self, streams: Any = None, state: Any = None, **others: Any) -> Ran:
        return self.connector.read(self.config(**others), streams, state)

    def requests(self, since: int = 0) -> list[str]:
        return [request.path.removeprefix(PREFIX) for request in self.server.log[since:]]

    def answer(self, request: Request, **pagination: Any) -> Response:
        """What the server answers, with some of `pagination` in place of its own; None takes a member out."""
        response = self.api(request)
        body = response.get_json()
        if response.status_code == 200:
            changed = body["pagination"] | pagination
            body["pagination"] = {name: value for name, value in changed.items() if value is not None}
        return as_json(body, response.status_code)
