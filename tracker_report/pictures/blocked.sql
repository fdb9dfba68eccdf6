-- The stories that wait for something else, the one that has not moved for longest first.
select
    s.project_id,
    s.story_id,
    s.name,
    s.url,
    s.current_state,
    s.owners,
    s.blockers,
    t.seconds / 86400.0 as days_in_state
from tracker__story as s
left join tracker__story_state_spans as t
    on t.project_id = s.project_id and t.story_id = s.story_id and t.is_current
where s.is_blocked and s.current_state <> 'accepted'
order by s.project_id, t.seconds desc, s.story_id
