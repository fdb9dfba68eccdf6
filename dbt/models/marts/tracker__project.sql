with stories as (
    select
        project_id,
        count(*) as stories,
        sum(points) as points,
        sum(case when current_state = 'accepted' then 1 else 0 end) as accepted_stories,
        sum(case when current_state = 'accepted' then points else 0 end) as accepted_points,
        sum(case when current_state in ('started', 'finished', 'delivered', 'rejected') then 1 else 0 end)
            as stories_in_progress,
        sum(case when is_blocked and current_state <> 'accepted' then 1 else 0 end) as blocked_stories,
        sum(case when story_type = 'feature' and estimate is null and current_state <> 'accepted' then 1 else 0 end)
            as unestimated_stories,
        min(created_at) as first_story_created_at,
        max(updated_at) as last_updated_at,
        {{ percentile('cycle_time_days', 0.5) }} as cycle_time_days_p50,
        {{ percentile('cycle_time_days', 0.85) }} as cycle_time_days_p85,
        max(states_from) as states_from
    from {{ ref('tracker__story') }}
    group by project_id
)

select
    projects.id as project_id,
    projects.name,
    {{ json_text('projects.time_zone', 'olson_name') }} as time_zone,
    projects.week_start_day,
    projects.iteration_length as weeks,
    projects.current_iteration_number,
    projects.velocity_averaged_over,
    pace.velocity,
    pace.velocity_p50,
    pace.velocity_p85,
    projects.current_velocity as velocity_by_tracker,
    coalesce(stories.stories, 0) as stories,
    coalesce(stories.points, 0) as points,
    coalesce(stories.accepted_stories, 0) as accepted_stories,
    coalesce(stories.accepted_points, 0) as accepted_points,
    coalesce(stories.stories_in_progress, 0) as stories_in_progress,
    coalesce(stories.blocked_stories, 0) as blocked_stories,
    coalesce(stories.unestimated_stories, 0) as unestimated_stories,
    stories.first_story_created_at,
    stories.last_updated_at,
    stories.cycle_time_days_p50,
    stories.cycle_time_days_p85,
    stories.states_from
from {{ ref('stg_tracker__projects') }} as projects
left join stories on stories.project_id = projects.id
left join {{ ref('int_tracker__pace') }} as pace on pace.project_id = projects.id
