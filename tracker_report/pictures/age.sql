-- Scheduled stories that are not accepted: of each state the forty that have been in it for longest.
select
    project_id,
    story_id,
    name,
    url,
    current_state,
    story_type,
    owners,
    days_in_state
from (
    select
        s.*,
        t.seconds / 86400.0 as days_in_state,
        row_number() over (
            partition by s.project_id, s.current_state order by t.seconds desc, s.story_id
        ) as place
    from tracker__story as s
    inner join tracker__story_state_spans as t
        on t.project_id = s.project_id and t.story_id = s.story_id and t.is_current
    where s.current_state not in ('accepted', 'unscheduled') and s.story_type <> 'release'
) as open_story
where place <= 40
order by project_id, days_in_state desc, story_id
