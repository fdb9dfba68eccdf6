-- What the spans of a story add up to.
select
    project_id,
    story_id,
    sum(case when state = 'unscheduled' then seconds else 0 end) as seconds_unscheduled,
    sum(case when state = 'unstarted' then seconds else 0 end) as seconds_unstarted,
    sum(case when state = 'planned' then seconds else 0 end) as seconds_planned,
    sum(case when state = 'started' then seconds else 0 end) as seconds_started,
    sum(case when state = 'finished' then seconds else 0 end) as seconds_finished,
    sum(case when state = 'delivered' then seconds else 0 end) as seconds_delivered,
    sum(case when state = 'rejected' then seconds else 0 end) as seconds_rejected,
    sum(case when state = 'rejected' then 1 else 0 end) as times_rejected,
    sum(case when state = 'accepted' and not is_current then 1 else 0 end) as times_reopened,
    min(case when state = 'started' then started_at end) as first_started_at,
    max(case when is_current then started_at end) as in_state_since,
    max(source) as source
from {{ ref('tracker__story_state_spans') }}
group by project_id, story_id
