-- What the spans of a story add up to. Where the story alone tells of its state, the time in states is not known.
with spans as (
    select
        *,
        lead(state) over (partition by project_id, story_id order by sequence) as next_state
    from {{ ref('tracker__story_state_spans') }}
)

select
    project_id,
    story_id,
    {%- for state in ['unscheduled', 'unstarted', 'planned', 'started', 'finished', 'delivered', 'rejected'] %}
    case when max(source) = 'transitions'
        then sum(case when state = '{{ state }}' then seconds else 0 end) end as seconds_{{ state }},
    {%- endfor %}
    case when max(source) = 'transitions'
        then sum(case when state = 'rejected' then 1 else 0 end) end as times_rejected,
    -- A story whose acceptance was set to a later time has two stays in `accepted`, and did not leave it.
    case when max(source) = 'transitions'
        then sum(case when state = 'accepted' and next_state <> 'accepted' then 1 else 0 end) end as times_reopened,
    min(case when state = 'started' then started_at end) as first_started_at,
    max(case when is_current then started_at end) as in_state_since,
    max(source) as source
from spans
group by project_id, story_id
