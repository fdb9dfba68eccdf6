{#- Where an export has the day of acceptance alone, the stay in `accepted` has its time. -#}
{%- set accepted_at = "coalesce(case when stories.current_state = 'accepted' then states.in_state_since end, stories.accepted_at)" -%}
with placed as (
    -- A story is in one iteration; where two lists that were read one after the other have it, the later counts.
    select project_id, story_id, max(iteration_number) as iteration_number
    from {{ ref('stg_tracker__iteration_stories') }}
    group by project_id, story_id
)

select
    stories.id as story_id,
    stories.project_id,
    projects.name as project,
    stories.name,
    stories.url,
    stories.story_type,
    stories.current_state,
    stories.story_priority,
    stories.estimate,
    stories.points,
    requester.name as requested_by,
    people.owners,
    coalesce(people.owner_count, 0) as owner_count,
    labels.labels,
    labels.epics,
    placed.iteration_number,
    case
        when placed.iteration_number is null then null
        when placed.iteration_number < projects.current_iteration_number then 'done'
        when placed.iteration_number = projects.current_iteration_number then 'current'
        else 'backlog'
    end as panel,
    stories.created_at,
    states.first_started_at,
    {{ accepted_at }} as accepted_at,
    stories.updated_at,
    stories.deadline,
    states.in_state_since,
    {{ seconds_between('stories.created_at', accepted_at) }} / 86400 as lead_time_days,
    case when states.first_started_at <= {{ accepted_at }}
        then {{ seconds_between('states.first_started_at', accepted_at) }} / 86400 end as cycle_time_days,
    {%- for state in ['unscheduled', 'unstarted', 'planned', 'started', 'finished', 'delivered', 'rejected'] %}
    states.seconds_{{ state }} / 86400 as days_{{ state }},
    {%- endfor %}
    states.times_rejected,
    states.times_reopened,
    parts.blockers,
    parts.open_blockers > 0 as is_blocked,
    parts.reviews,
    parts.reviews_passed,
    coalesce(states.source, 'story') as states_from
from {{ ref('stg_tracker__stories') }} as stories
left join {{ ref('stg_tracker__projects') }} as projects on projects.id = stories.project_id
left join {{ ref('stg_tracker__people') }} as requester on requester.id = stories.requested_by_id
left join {{ ref('int_tracker__story_people') }} as people
    on people.story_id = stories.id and people.project_id = stories.project_id
left join {{ ref('int_tracker__story_labels') }} as labels
    on labels.story_id = stories.id and labels.project_id = stories.project_id
left join {{ ref('int_tracker__story_states') }} as states
    on states.story_id = stories.id and states.project_id = stories.project_id
left join {{ ref('int_tracker__story_parts') }} as parts
    on parts.story_id = stories.id and parts.project_id = stories.project_id
left join placed on placed.story_id = stories.id and placed.project_id = stories.project_id
