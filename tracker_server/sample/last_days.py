"""What every project sees in its last two days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracker_server import edits
from tracker_server.sample.story_timeline import add_branch, add_pull_request
from tracker_server.sample.team import HISTORY_ENDS, Team
from tracker_server.sample.timelines import stories_in_state
from tracker_server.sample.words import CHECKS, FILES, GOOGLE_DOCUMENT, TAGS
from tracker_server.sample.working_hours import HOUR


def last_days(teams: Sequence[Team], index: int) -> Iterator[int]:
    """What every project sees in its last two days: each kind of command once, deletions above all.

    It makes one story more in every project, which then goes on to the next project if there are several.
    """
    team = teams[index]
    world, project, rng = team.world, team.project, team.rng
    boss, lead, leaver, tester = team.editors[:4]
    moments = iter(range(team.end + HOUR + 60 * index, team.end + HISTORY_ENDS, 40 * 60))

    yield next(moments)
    rows = [{"name": f"Imported line {line}", "current_state": "unscheduled"} for line in (1, 2, 3)]
    imported = edits.import_stories(world, project, lead, rows)
    yield next(moments)
    edits.delete_stories(world, project, boss, [story["id"] for story in imported[:2]])
    yield next(moments)
    edits.delete_stories(world, project, tester, [imported[2]["id"]])

    yield next(moments)
    remarks = ("First idea", "Second thought")
    story = edits.create_story(
        world, project, boss, name="Tell customers about planned downtime", tasks=CHECKS[:3], comments=remarks
    )
    story_id = story["id"]
    yield next(moments)
    edits.update_task(world, project, lead, story_id, story["tasks"][0]["id"], complete=True)
    yield next(moments)
    edits.delete_task(world, project, boss, story_id, story["tasks"][1]["id"])
    yield next(moments)
    edits.create_task(world, project, boss, story_id, description="Ask the harbour master")
    yield next(moments)
    edits.delete_comment(world, project, lead, story["comments"][0]["id"], story_id=story_id)
    yield next(moments)
    comment = edits.create_comment(
        world, project, tester, story_id=story_id, file_attachments=FILES[:2], google_attachments=[GOOGLE_DOCUMENT]
    )
    yield next(moments)
    first_file = comment["file_attachments"][0]["id"]
    edits.update_comment(
        world, project, tester, comment["id"], story_id=story_id, text="Now final", remove_attachments=[first_file]
    )
    yield next(moments)
    other_id = rng.choice(project.order)
    blocker = edits.create_blocker(world, project, boss, story_id, description=f"Waiting for #{other_id}")
    yield next(moments)
    edits.update_blocker(world, project, lead, story_id, blocker["id"], resolved=True)
    yield next(moments)
    edits.delete_blocker(world, project, lead, story_id, blocker["id"])
    for review_type_id in project.review_types:
        yield next(moments)
        edits.create_review(world, project, boss, story_id, review_type_id=review_type_id)
    yield next(moments)
    edits.update_review(world, project, lead, story_id, story["reviews"][0]["id"], status="pass", reviewer_id=lead)
    yield next(moments)
    edits.delete_review(world, project, lead, story_id, story["reviews"][1]["id"])
    yield next(moments)
    add_pull_request(team, story)
    yield next(moments)
    add_branch(team, story)
    yield next(moments)
    edits.add_follower(world, project, boss, story_id, leaver)
    yield next(moments)
    edits.update_story(world, project, boss, story_id, current_state="unstarted", estimate=team.scale[-1])

    yield next(moments)
    label = edits.create_label(world, project, boss, name=f"Week {index + 47}")
    for other_id in rng.sample(project.order, min(2, len(project.order))):
        yield next(moments)
        label_ids = [*project.stories[other_id]["label_ids"], label["id"]]
        edits.update_story(world, project, boss, other_id, label_ids=label_ids)
    yield next(moments)
    edits.delete_label(world, project, boss, label["id"])
    yield next(moments)
    misspelt = edits.create_label(world, project, tester, name="preformance")
    yield next(moments)
    edits.update_story(world, project, tester, story_id, label_ids=[misspelt["id"]])
    yield next(moments)
    edits.merge_labels(world, project, tester, team.tags[TAGS.index("performance")], [misspelt["id"]])
    yield next(moments)
    edits.update_label(world, project, tester, team.tags[TAGS.index("quick win")], name="Quick Wins")

    yield next(moments)
    epic = edits.create_epic(world, project, lead, name="Rebranding", description="Everything in blue.")
    yield next(moments)
    edits.create_comment(world, project, boss, epic_id=epic["id"], text="Not before next year.")
    yield next(moments)
    edits.delete_epic(world, project, lead, epic["id"])

    yield next(moments)
    edits.move_story(world, project, boss, story_id, before=(stories_in_state(project, "unstarted"))[0])
    for accepted_id in stories_in_state(project, "accepted")[-1:]:
        for state in ("rejected", "accepted"):
            yield next(moments)
            edits.update_story(world, project, lead, accepted_id, current_state=state)

    for started_id in stories_in_state(project, "started")[:1]:
        yield next(moments)
        others = [person for person in (boss, lead) if project.stories[started_id]["owner_ids"] != [person]]
        edits.update_story(world, project, boss, started_id, owner_ids=others[:1])

    yield next(moments)
    edits.update_project(world, project, boss, description="Plans change, the harbour stays.")
    yield next(moments)
    membership_of = {row["person_id"]: row["id"] for row in project.memberships.values()}
    edits.delete_membership(world, project, lead, membership_of[leaver])
    yield next(moments)
    if len(teams) > 1:
        target = teams[(index + 1) % len(teams)].project
        edits.move_story_to_project(world, project, target, boss, story_id)
    yield next(moments)
    if index == 2:
        edits.update_membership(world, project, lead, membership_of[boss], role="viewer")
