-- How fast a project is: the velocity that it plans with, and those that it reaches in half and in 85 of 100 iterations;
-- and what the current iteration has already brought.
with done as (
    select
        iterations.project_id,
        iterations.accepted_points / nullif(iterations.team_strength, 0) / nullif(iterations.weeks, 0)
            * projects.iteration_length as points,
        row_number() over (partition by iterations.project_id order by iterations.number desc) as age
    from {{ ref('tracker__iteration') }} as iterations
    inner join {{ ref('stg_tracker__projects') }} as projects on projects.id = iterations.project_id
    where iterations.panel = 'done'
),

spread as (
    select
        project_id,
        {{ percentile('points', 0.5) }} as velocity_p50,
        {{ percentile('points', 0.15) }} as velocity_p85
    from done
    where age <= {{ var('tracker_iterations_of_forecast') }}
    group by project_id
)

select
    projects.id as project_id,
    projects.iteration_length,
    current_one.started_at,
    current_one.finished_at,
    coalesce(current_one.accepted_points, 0) as accepted_now,
    coalesce(current_one.velocity, projects.initial_velocity) as velocity,
    spread.velocity_p50,
    spread.velocity_p85
from {{ ref('stg_tracker__projects') }} as projects
left join {{ ref('tracker__iteration') }} as current_one
    on current_one.project_id = projects.id and current_one.panel = 'current'
left join spread on spread.project_id = projects.id
