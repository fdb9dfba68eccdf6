"""Commands that change a world the way a Tracker user does: one version and one activity each.

Every command takes the world, the project and the id of the person who acts (`by`), and happens at `world.now`.
It looks everything up before it changes anything, so one that raises has changed nothing: KeyError for an id
that is not there, ValueError for a change that Tracker would refuse. Rows are returned as they are stored.
"""

from tracker_server.edits.comments import create_comment, delete_comment, update_comment
from tracker_server.edits.epics import create_epic, delete_epic, update_epic
from tracker_server.edits.labels import create_label, delete_label, merge_labels, update_label
from tracker_server.edits.parts import (
    create_blocker,
    create_branch,
    create_pull_request,
    create_review,
    create_task,
    delete_blocker,
    delete_branch,
    delete_pull_request,
    delete_review,
    delete_task,
    update_blocker,
    update_review,
    update_task,
)
from tracker_server.edits.projects import create_membership, delete_membership, update_membership, update_project
from tracker_server.edits.stories import (
    add_follower,
    create_release,
    create_story,
    delete_stories,
    import_stories,
    move_story,
    move_story_to_project,
    update_story,
)

__all__ = [
    "add_follower",
    "create_blocker",
    "create_branch",
    "create_comment",
    "create_epic",
    "create_label",
    "create_membership",
    "create_pull_request",
    "create_release",
    "create_review",
    "create_story",
    "create_task",
    "delete_blocker",
    "delete_branch",
    "delete_comment",
    "delete_epic",
    "delete_label",
    "delete_membership",
    "delete_pull_request",
    "delete_review",
    "delete_stories",
    "delete_task",
    "import_stories",
    "merge_labels",
    "move_story",
    "move_story_to_project",
    "update_blocker",
    "update_comment",
    "update_epic",
    "update_label",
    "update_membership",
    "update_project",
    "update_review",
    "update_story",
    "update_task",
]
