"""Which path leads to which endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, partial

from werkzeug.routing import Map, Rule

from tracker_server.api.call import Answer
from tracker_server.api.dialect import Dialect
from tracker_server.api.endpoints import account, activity, epics, files, iterations, projects, search, stories
from tracker_server.api.protocol import PREFIX

OF_A_PERSON: Mapping[str, Callable[..., Answer]] = {
    "/me": account.me,
    "/my/people": account.my_people,
    "/my/activity": activity.my_activity,
    "/my/notifications": account.my_notifications,
    "/my/workspaces": account.my_workspaces,
    "/my/workspaces/<int:workspace_id>": account.my_workspace,
    "/accounts": account.accounts,
    "/accounts/<int:account_id>": account.account,
    "/accounts/<int:account_id>/memberships": account.account_memberships,
    "/projects": projects.projects,
    "/stories/<int:story_id>": stories.top_story,
    "/epics/<int:epic_id>": epics.top_epic,
}
OF_A_PROJECT: Mapping[str, Callable[..., Answer]] = {
    "": projects.project,
    "/memberships": projects.memberships,
    "/memberships/<int:membership_id>": projects.membership,
    "/labels": projects.labels,
    "/labels/<int:label_id>": projects.label,
    "/epics": epics.epics,
    "/epics/<int:epic_id>": epics.epic,
    "/epics/<int:epic_id>/comments": epics.epic_comments,
    "/epics/<int:epic_id>/comments/<int:comment_id>": epics.epic_comment,
    "/epics/<int:epic_id>/activity": activity.epic_activity,
    "/webhooks": projects.webhooks,
    "/integrations": projects.integrations,
    "/history/days": projects.history_days,
    "/iterations": iterations.iterations,
    "/iterations/<int:number>": iterations.iteration,
    "/iterations/<int:number>/analytics/cycle_time_details": iterations.iteration_cycle_times,
    "/releases": stories.releases,
    "/releases/<int:release_id>": stories.release,
    "/releases/<int:release_id>/stories": stories.release_stories,
    "/stories": stories.stories,
    "/stories/bulk": stories.stories_bulk,
    "/stories/<int:story_id>": stories.story,
    **{
        f"/stories/<int:story_id>/{part}": partial(stories.story_part, part=part)
        for part in stories.PARTS_WITH_ENDPOINTS
    },
    **{
        f"/stories/<int:story_id>/{part}/<int:part_id>": partial(stories.story_part_row, part=part)
        for part in stories.PARTS_WITH_ENDPOINTS
    },
    "/stories/<int:story_id>/owners": stories.story_owners,
    "/stories/<int:story_id>/labels": stories.story_labels,
    "/stories/<int:story_id>/transitions": activity.story_transitions,
    "/stories/<int:story_id>/activity": activity.story_activity,
    "/story_transitions": activity.transitions,
    "/activity": activity.activity,
    "/search": search.search,
}
IN_PROJECT = "/projects/<int:project_id>"
ENDPOINTS: Mapping[str, Callable[..., Answer]] = {
    **OF_A_PERSON,
    **{IN_PROJECT + path: endpoint for path, endpoint in OF_A_PROJECT.items()},
}


def name_of(path: str) -> str:
    """What a dialect calls an endpoint: `stories/tasks` for all tasks of a story, and for one of them."""
    return re.sub("/<[^>]*>", "", path.removeprefix(IN_PROJECT) or "/projects")[1:]


NAMES = frozenset({*map(name_of, ENDPOINTS), "aggregator"})
"""All endpoints that a dialect may lack."""


@cache
def routes(dialect: Dialect) -> Map:
    """The endpoints that a dialect has; a map is the same for every server, and takes long to compile."""
    there = {path: endpoint for path, endpoint in ENDPOINTS.items() if not dialect.is_missing(name_of(path))}
    rules = [Rule(PREFIX + path, endpoint=endpoint) for path, endpoint in there.items()]
    rules.append(Rule("/file_attachments/<int:attachment_id>/download", endpoint=files.download))
    return Map(rules, strict_slashes=False, merge_slashes=False)
