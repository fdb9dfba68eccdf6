"""The endpoint that downloads the file of a comment."""

from __future__ import annotations

from tracker_server.api.call import Answer, Call
from tracker_server.api.errors import unfound_resource
from tracker_server.downloads import download_headers


def download(call: Call, attachment_id: int) -> Answer:
    """The bytes of a file. The path is not under the API's own prefix (`download_url` in create_attachments.json)."""
    inline = call.parameters.text("inline", ["true", "false"]) == "true"
    file = call.world.files.get(attachment_id)
    if file is None:
        raise unfound_resource()
    return Answer(file, headers=download_headers(file, inline=inline))
