"""What is known of Tracker's exports, one fact at a time: columns, quirks of the format, and what each cell means."""

from __future__ import annotations

from typing import Any

import pytest

from unit_tests.tracker_server.exports.exported import MODERN, NAME, Served, modern, packed, served, source, table

BUSY = """\
Id,Title,Labels,Iteration,Iteration Start,Iteration End,Type,Estimate,Priority,Current State,Created at,Accepted at,\
Deadline,Requested By,Description,URL,Owned By,Owned By,Blocker,Blocker Status,Comment,Comment,Task,Task Status,Task,\
Task Status,Review Type,Reviewer,Review Status,Pull Request,Git Branch
186456829,Reset Password,"customer, auth",4,"Nov 6, 2023","Nov 12, 2023",feature,2,p3 - Low,delivered,"Nov 5, 2023",,,\
Tony Xiang,Allow users to reset,https://www.pivotaltracker.com/story/show/186456829,ann,Tony Xiang,\
blocked by #186456826,blocked,"Looks good (Tony Xiang - Nov 7, 2023)","Ship it (with tests) (ann - Nov 8, 2023)",\
Create function,completed,Create webpages,not completed,Code,ann,in_review,https://github.com/o/r/pull/7,reset-password
186456826,Login page,,4,"Nov 6, 2023","Nov 12, 2023",bug,-1,p0 - Critical,accepted,"Nov 1, 2023","Nov 9, 2023",,\
Tony Xiang,,https://www.pivotaltracker.com/story/show/186456826,Tony Xiang
"""
OLD = """\
Id,Title,Labels,Iteration,Iteration Start,Iteration End,Type,Estimate,Current State,Created at,Accepted at,Deadline,\
Requested By,Description,URL,Owned By,Task,Task Status
2195568,Food,food,,,,epic,,,"Nov 19, 2015",,,,The order page,https://www.pivotaltracker.com/epic/show/2195568,,,
108574082,Order it,food,1,"Nov 16, 2015","Nov 22, 2015",feature,,unstarted,"Nov 19, 2015",,,Kyle,,\
https://www.pivotaltracker.com/story/show/108574082,,"Print ""Food"" on top",not completed
"""
OLDEST = """\
Id,Story,Labels,Iteration,Iteration Start,Iteration End,Story Type,Estimate,Current State,Created at,Accepted at,\
Deadline,Requested By,Owned By,Description,URL,Note,Note
9,Sign in,,2,"Feb 6, 2012","Feb 12, 2012",feature,3,accepted,"Feb 1, 2012","Feb 7, 2012",,Ann,Bob,,\
http://www.pivotaltracker.com/story/show/9,"First (Ann - Feb 2, 2012)","Second (Bob - Feb 7, 2012)"
"""


def people(exported: Served) -> dict[int, str]:
    return {row["person"]["id"]: row["person"]["name"] for row in exported.get("{p}/memberships")}


def test_a_modern_export_is_read_in_full() -> None:
    exported = served(BUSY.encode())
    accepted, delivered = exported.stories(
        ":default,tasks,comments,blockers,reviews(:default,review_type),pull_requests,branches,blocked_story_ids"
    )
    names = people(exported)
    assert exported.findings == []
    assert (accepted["id"], accepted["name"], accepted["story_type"]) == (186456826, "Login page", "bug")
    assert (accepted["current_state"], accepted["accepted_at"]) == ("accepted", "2023-11-09T00:00:00Z")
    assert (accepted["story_priority"], "estimate" in accepted) == ("p0", False)
    assert accepted["blocked_story_ids"] == [186456829]
    assert (delivered["estimate"], delivered["story_priority"]) == (2, "p3")
    assert [label["name"] for label in delivered["labels"]] == ["customer", "auth"]
    assert [names[owner_id] for owner_id in delivered["owner_ids"]] == ["ann", "Tony Xiang"]
    assert names[delivered["requested_by_id"]] == "Tony Xiang"
    assert delivered["description"] == "Allow users to reset"
    assert [(task["description"], task["complete"], task["position"]) for task in delivered["tasks"]] == [
        ("Create function", True, 1), ("Create webpages", False, 2),
    ]  # fmt: skip
    assert [(row["text"], names[row["person_id"]], row["created_at"]) for row in delivered["comments"]] == [
        ("Looks good", "Tony Xiang", "2023-11-07T00:00:00Z"), ("Ship it (with tests)", "ann", "2023-11-08T00:00:00Z"),
    ]  # fmt: skip
    assert [(row["description"], row["resolved"]) for row in delivered["blockers"]] == [
        ("blocked by #186456826", False)
    ]
    (review,) = delivered["reviews"]
    assert (review["review_type"]["name"], review["status"]) == ("Code", "in_review")
    assert names[review["reviewer_id"]] == "ann"
    (pull_request,) = delivered["pull_requests"]
    assert (pull_request["owner"], pull_request["repo"], pull_request["number"]) == ("o", "r", 7)
    assert [row["name"] for row in delivered["branches"]] == ["reset-password"]


def test_an_export_from_before_2018_has_fewer_columns() -> None:
    exported = served(OLD.encode())
    assert exported.findings == []
    story = exported.story(":default,tasks")
    assert (story["id"], story["current_state"], "story_priority" in story) == (108574082, "unstarted", False)
    assert [task["description"] for task in story["tasks"]] == ['Print "Food" on top']


def test_an_export_of_2012_calls_some_columns_differently() -> None:
    exported = served(OLDEST.encode())
    assert exported.findings == []
    story = exported.story(":default,comments")
    assert (story["name"], story["story_type"], story["estimate"]) == ("Sign in", "feature", 3)
    assert [comment["text"] for comment in story["comments"]] == ["First", "Second"]


def test_columns_are_found_by_their_names_wherever_they_stand() -> None:
    row = {"Title": "A", "Task": ["a", "b"], "Task Status": ["completed", "not completed"], "Id": "7"}
    story = served(table("Task Status,Task,Title,Task,Id,Task Status", row)).story("name,tasks")
    assert (story["id"], story["name"]) == (7, "A")
    assert [(task["description"], task["complete"]) for task in story["tasks"]] == [("a", True), ("b", False)]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["bare", "BOM"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end: str, mark: bytes) -> None:
    content = table("Id,Title,Description", {"Id": "1", "Title": "Ü", "Description": "a\nb"}, {"Id": "2"}, end=end)
    first, second = served(mark + content).stories()
    assert (first["id"], first["name"], first["description"], second["id"]) == (1, "Ü", "a\nb", 2)


def test_a_row_may_end_before_its_last_columns() -> None:
    story = served(b"Id,Title,Type,Current State,Owned By,Task\n1,A\n").story(":default,tasks")
    assert (story["name"], story["current_state"], story["owner_ids"], story["tasks"]) == ("A", "unscheduled", [], [])


def test_empty_lines_and_rows_without_any_cell_are_no_stories() -> None:
    exported = served(b"Id,Title\n\n1,A\n,\n\n2,B\n")
    assert [story["id"] for story in exported.stories()] == [1, 2]
    assert exported.findings == []


@pytest.mark.parametrize(
    ("cells", "attribute", "value"),
    [
        ({"Estimate": ""}, "estimate", None),
        ({"Estimate": "-1"}, "estimate", None),
        ({"Estimate": "0"}, "estimate", 0),
        ({"Estimate": "0.5"}, "estimate", 0.5),
        ({"Estimate": "8"}, "estimate", 8),
        ({"Priority": "p0 - Critical"}, "story_priority", "p0"),
        ({"Priority": "p1 - High"}, "story_priority", "p1"),
        ({"Priority": "p2 - Medium"}, "story_priority", "p2"),
        ({"Priority": "p3 - Low"}, "story_priority", "p3"),
        ({"Priority": "none"}, "story_priority", "none"),
        ({"Priority": ""}, "story_priority", None),
        ({"Current State": ""}, "current_state", "unscheduled"),
        ({"Current State": "rejected"}, "current_state", "rejected"),
        ({"Type": ""}, "story_type", "feature"),
        ({"Type": "chore"}, "story_type", "chore"),
        ({"Type": "release", "Deadline": "Dec 1, 2014"}, "deadline", "2014-12-01T00:00:00Z"),
        ({"Created at": "Feb 29, 2012"}, "created_at", "2012-02-29T00:00:00Z"),
        ({"Title": "'=SUM(A1)"}, "name", "=SUM(A1)"),
        ({"Title": "'quoted'"}, "name", "'quoted'"),
        ({"Description": "'=1"}, "description", "=1"),
        ({"Description": ""}, "description", None),
        ({"URL": "https://tracker.example.com/story/show/1000"}, "url", "https://tracker.example.com/story/show/1000"),
    ],
)
def test_a_cell_means(cells: dict[str, str], attribute: str, value: Any) -> None:
    exported = served(modern(cells))
    assert exported.story().get(attribute) == value
    assert exported.findings == []


def test_labels_are_joined_by_commas() -> None:
    exported = served(modern({"Labels": "a, b,c, a"}, {"Labels": "b"}, {"Labels": ""}))
    labels = [[label["name"] for label in story["labels"]] for story in exported.stories()]
    assert labels == [["a", "b", "c"], ["b"], []]
    assert [label["name"] for label in exported.get("{p}/labels")] == ["a", "b", "c"]


def test_an_epic_is_a_row_with_a_label_of_its_own() -> None:
    exported = served(OLD.encode())
    (epic,) = exported.get("{p}/epics")
    assert (epic["id"], epic["name"], epic["description"]) == (2195568, "Food", "The order page")
    assert epic["url"] == "https://www.pivotaltracker.com/epic/show/2195568"
    assert epic["label"] == exported.story()["labels"][0]
    assert (epic["created_at"], epic["updated_at"]) == ("2015-11-19T00:00:00Z",) * 2


def test_an_epic_may_have_comments() -> None:
    exported = served(modern({"Type": "epic", "Comment": "Soon (Ann - Dec 1, 2014)"}))
    (epic,) = exported.get("{p}/epics", fields="updated_at,comments(text,epic_id)")
    assert [(row["text"], row["epic_id"]) for row in epic["comments"]] == [("Soon", epic["id"])]
    assert epic["updated_at"] == "2014-12-01T00:00:00Z"


def test_a_release_is_a_story_and_among_the_releases() -> None:
    exported = served(modern({"Type": "release", "Current State": "unstarted"}))
    assert exported.story()["story_type"] == "release"
    assert [row["id"] for row in exported.get("{p}/releases")] == [1000]


def test_a_task_is_complete_where_its_status_says_so() -> None:
    cells = {"Task": ["a", "b"], "Task Status": ["completed", "not completed"]}
    story = served(modern(cells)).story("tasks")
    assert [task["complete"] for task in story["tasks"]] == [True, False]


@pytest.mark.parametrize(("status", "resolved"), [("resolved", True), ("blocked", False), ("", False)])
def test_a_blocker_is_resolved_where_its_status_says_so(status: str, resolved: bool) -> None:
    exported = served(modern({"Blocker": "#1001", "Blocker Status": status}, {}))
    blocked, blocking = exported.stories("blockers,blocked_story_ids")
    assert [(row["description"], row["resolved"]) for row in blocked["blockers"]] == [("#1001", resolved)]
    assert blocking["blocked_story_ids"] == ([] if resolved else [1000])
    assert exported.findings == []


@pytest.mark.parametrize("status", ["unstarted", "in_review", "pass", "revise"])
def test_a_review_has_a_type_a_reviewer_and_a_status(status: str) -> None:
    exported = served(modern({"Review Type": "Design", "Reviewer": "Ann", "Review Status": status}))
    (review,) = exported.story("reviews(:default,review_type)")["reviews"]
    assert (review["review_type"]["name"], review["status"]) == ("Design", status)
    assert people(exported)[review["reviewer_id"]] == "Ann"
    (review_type,) = exported.get("{p}", fields="review_types")["review_types"]
    assert review_type == review["review_type"]


def test_a_review_that_nobody_has_taken_has_no_reviewer() -> None:
    (review,) = served(modern({"Review Type": "Design", "Review Status": "unstarted"})).story("reviews")["reviews"]
    assert "reviewer_id" not in review


def test_people_are_one_by_their_name_whether_they_ask_own_comment_or_review() -> None:
    cells = {"Requested By": "Ann", "Owned By": "Ann", "Comment": "Hi (Ann - Dec 1, 2014)", "Reviewer": "Ann"}
    exported = served(modern(cells))
    story = exported.story(":default,comments,reviews")
    ids = {story["requested_by_id"], *story["owner_ids"], story["comments"][0]["person_id"]}
    assert ids | {story["reviews"][0]["reviewer_id"]} == people(exported).keys()


def test_updated_at_is_the_last_day_that_a_row_tells_of() -> None:
    cells = {"Created at": "Nov 1, 2014", "Accepted at": "Nov 5, 2014", "Task": "a", "Deadline": "Dec 24, 2014"}
    comments = ["Second (Ann - Nov 9, 2014)", "First (Ann - Nov 2, 2014)"]
    exported = served(modern({**cells, "Comment": comments}, cells, {**cells, "Accepted at": "", "Created at": ""}))
    rows = exported.stories("updated_at,tasks(updated_at)")
    assert [row.get("updated_at") for row in rows] == ["2014-11-09T00:00:00Z", "2014-11-05T00:00:00Z", None]
    assert [row["tasks"][0].get("updated_at") for row in rows] == [row.get("updated_at") for row in rows]


def test_files_lie_in_folders_that_are_named_by_story() -> None:
    content = packed({NAME: modern({}, {}), "1001/photo.png": b"PNG", "1001/notes.csv": b"a,b\n"})
    exported = served(content, "my_project_20250401_1212-export.zip")
    first, second = exported.stories("comments(:default,file_attachments)")
    assert first["comments"] == []
    (comment,) = second["comments"]
    assert (comment["text"], comment["story_id"], comment["updated_at"]) == ("", 1001, "2014-11-22T00:00:00Z")
    files = comment["file_attachments"]
    assert [(file["filename"], file["size"], file["content_type"]) for file in files] == [
        ("notes.csv", 4, "text/csv"), ("photo.png", 3, "image/png"),
    ]  # fmt: skip
    response = exported.respond(files[1]["download_url"])
    assert response.file is not None
    with response.file as file:
        assert file.read() == b"PNG"


def test_a_zip_may_hold_its_csv_and_its_files_in_a_folder() -> None:
    content = packed({f"my_project-export/{NAME}": modern({}), "my_project-export/1000/photo.png": b"PNG"})
    (comment,) = served(content, "a.zip").story("comments(file_attachments)")["comments"]
    assert [file["filename"] for file in comment["file_attachments"]] == ["photo.png"]


def test_what_is_only_called_a_history_is_reported_and_not_read() -> None:
    exported = served(packed({NAME: modern({}), "history.csv": b"Time,What\nnow,this\n"}), "a.zip")
    assert len(exported.stories()) == 1
    reason = "it is named like a history, but its first line does not name the columns of one"
    assert exported.findings == [f"a.zip/history.csv: not read: {reason}"]


def test_several_csvs_of_a_zip_are_one_project() -> None:
    parts = {"my_project_20250401_1212.csv": modern({}), "my_project_20250401_1212_2.csv": modern({"Id": "5"})}
    exported = served(packed(parts), "my_project_20250401_1212.zip")
    assert sorted(story["id"] for story in exported.stories()) == [5, 1000]
    assert exported.get("{p}")["name"] == "my_project"


def test_the_csvs_of_a_zip_come_in_the_order_of_their_numbers() -> None:
    parts = {f"p_20250401_1212_{n}.csv": modern({"Id": str(n)}) for n in (10, 9, 1)}
    assert [story["id"] for story in served(packed(parts), "p.zip").stories()] == [1, 9, 10]


def test_the_order_is_that_of_the_file_with_what_is_done_first_and_the_icebox_last() -> None:
    states = ["unscheduled", "started", "accepted", "unstarted", "accepted", "unscheduled"]
    exported = served(modern(*({"Current State": state, "Accepted at": "Nov 23, 2014"} for state in states)))
    assert [story["id"] for story in exported.stories()] == [1002, 1004, 1001, 1003, 1000, 1005]


def test_a_text_may_hold_quotes_commas_lines_and_any_script() -> None:
    text = 'He said "no, never",\nand left\r\n\ttwice 🚀 שלום\u2028end'
    story = served(modern({"Title": text, "Task": text, "Comment": f"{text} (Zoë O'Neill - Nov 23, 2014)"})).story(
        "name,tasks,comments"
    )
    assert (story["name"], story["tasks"][0]["description"], story["comments"][0]["text"]) == (text, text, text)


def test_every_column_of_the_fact_sheet_is_known() -> None:
    assert served(f"{MODERN}\n1,A\n".encode()).findings == []


def test_each_file_is_a_project_that_is_called_like_it() -> None:
    exported = Served(source(modern({}), "a.csv"), source(modern({}), "b.csv"))
    assert [row["name"] for row in exported.get("/projects")] == ["a", "b"]


ADDRESSES = (
    "https://www.pivotaltracker.com/story/show/1003", "http://www.pivotaltracker.com/story/show/1003#comment-7",
    "https://www.pivotaltracker.com/n/projects/99/stories/1003", "www.pivotaltracker.com/story/show/1003.",
    "blocked by https://www.pivotaltracker.com/projects/99/stories/1003 (see there)", "#1003",
    "waits for #1003, I think", "https://app.litetracker.com/n/projects/59f921/stories/1003?a=b", "(#1003)",
)  # fmt: skip
NO_ADDRESSES = (
    "https://github.com/o/r/issues/4#1003", "https://www.pivotaltracker.com/epic/show/1003", "1003", "issue#1003",
    "https://example.com/stories/1003", "https://www.pivotaltracker.com/n/projects/1003",
)  # fmt: skip


@pytest.mark.parametrize("text", [*ADDRESSES, *NO_ADDRESSES])
def test_a_blocker_names_the_story_by_its_number_or_its_address(text: str) -> None:
    blocked = {"Blocker": text, "Blocker Status": "blocked"}
    exported = served(modern(blocked, {**blocked, "Blocker Status": "resolved"}, {}, {}))
    blocked_ids = {
        story["id"]: story.get("blocked_story_ids", []) for story in exported.stories(":default,blocked_story_ids")
    }
    assert blocked_ids[1003] == ([1000] if text in ADDRESSES else [])


@pytest.mark.parametrize("kind", ["feature", "epic"])
def test_a_comment_without_a_signature_has_the_time_of_what_it_hangs_on(kind: str) -> None:
    exported = served(modern({"Type": kind, "Comment": ["no signature", "x (Ann - Nov 23, 2014)"]}))
    path = "{p}/epics" if kind == "epic" else "{p}/stories"
    (row,) = exported.get(path, fields="comments")
    first, second = row["comments"]
    assert ("created_at" in first, first["updated_at"]) == (False, "2014-11-23T00:00:00Z")
    assert second["created_at"] == "2014-11-23T00:00:00Z"


FIRST = {
    "Current State": "accepted", "Accepted at": "Dec 19, 2011", "Created at": "Dec 19, 2011", "Iteration": "1",
    "Iteration Start": "Dec 19, 2011", "Iteration End": "Jan 15, 2012",
}  # fmt: skip
LAST = {
    "Current State": "unstarted", "Created at": "Jan 1, 2012", "Iteration": "27", "Iteration Start": "Dec 16, 2013",
    "Iteration End": "Jan 12, 2014",
}  # fmt: skip


@pytest.mark.parametrize(
    ("waiting", "name", "current"),
    [
        ({}, "stories.csv", 27),
        ({"Estimate": "1"}, "stories.csv", 27),
        ({"Estimate": "3"}, "stories.csv", 25),
        ({}, "shop_20120110_1200.csv", 1),
        ({"Iteration": "2", "Iteration Start": "Jan 16, 2012", "Iteration End": "Feb 12, 2012"}, "stories.csv", 1),
    ],
    ids=["without points", "a point", "what may not have fit into two", "the name tells", "the next"],
)
def test_the_current_iteration_of_a_project_at_rest_is_that_in_which_its_first_story_waits(
    waiting: dict[str, str], name: str, current: int
) -> None:
    exported = served(modern(FIRST, {**LAST, **waiting}), name)
    assert exported.get("{p}")["current_iteration_number"] == current
