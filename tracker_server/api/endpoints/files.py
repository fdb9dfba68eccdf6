"""The endpoint that downloads the file of a comment."""

from __future__ import annotations

from urllib.parse import quote

from tracker_server.api.call import Answer, Call
from tracker_server.api.errors import unfound_resource


def download(call: Call, attachment_id: int) -> Answer:
    """The bytes of a file. The path is not under the API's own prefix (`download_url` in create_attachments.json)."""
    inline = call.parameters.text("inline", ["true", "false"]) == "true"
    file = call.world.files.get(attachment_id)
    if file is None:
        raise unfound_resource()
    place = "inline" if inline else "attachment"
    headers = {
        "Content-Type": file.content_type or "application/octet-stream",
        "Content-Length": str(file.size),
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(file.filename, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(file, headers=headers)
