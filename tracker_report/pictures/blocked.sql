-- The stories that wait for something else, the one that has not moved for longest first: two hundred at most.
select
    project_id,
    story_id,
    name,
    url,
    current_state,
    owners,
    days_in_state
from (
    select
        s.*,
        t.seconds / 86400.0 as days_in_state,
        row_number() over (partition by s.project_id order by t.seconds desc nulls last, s.story_id) as place
    from tracker__story as s
    left join tracker__story_state_spans as t
        on t.project_id = s.project_id and t.story_id = s.story_id and t.is_current
    where s.is_blocked and s.current_state <> 'accepted'
) as blocked_story
where place <= 200
order by project_id, days_in_state desc nulls last, story_id
