with iterations as (
    select * from {{ ref('stg_tracker__iterations') }}
),

at_start as (
    -- The state of each story of an iteration when that began, and when it ended.
    select
        listed.project_id,
        listed.iteration_number,
        listed.story_id,
        stories.points,
        stories.current_state,
        stories.created_at < iterations.start and coalesce(began.state, 'unstarted') <> 'unscheduled' as was_scheduled,
        stories.current_state = 'accepted' as is_accepted
    from {{ ref('stg_tracker__iteration_stories') }} as listed
    inner join iterations on iterations.project_id = listed.project_id and iterations.number = listed.iteration_number
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = listed.story_id and stories.project_id = listed.project_id
    left join {{ ref('tracker__story_state_spans') }} as began
        on began.story_id = listed.story_id and began.project_id = listed.project_id
        and began.started_at < iterations.start
        and (began.ended_at is null or began.ended_at >= iterations.start)
),

sums as (
    select
        project_id,
        iteration_number,
        count(*) as stories,
        sum(points) as points,
        sum(case when was_scheduled then points else 0 end) as committed_points,
        sum(case when was_scheduled then 0 else points end) as added_points,
        sum(case when is_accepted then points else 0 end) as accepted_points,
        sum(case when is_accepted then 1 else 0 end) as accepted_stories
    from at_start
    group by project_id, iteration_number
),

told as (
    -- From when on transitions tell what is in progress in a project.
    select project_id, min(started_at) as first_told_at
    from {{ ref('tracker__story_state_spans') }}
    where source = 'transitions'
    group by project_id
),

spilled as (
    -- What was begun before an iteration ended, and was neither accepted then nor taken back.
    select
        iterations.project_id,
        iterations.number,
        count(*) as spilled_over_stories,
        sum(stories.points) as spilled_over_points
    from iterations
    inner join {{ ref('tracker__story_state_spans') }} as spans
        on spans.project_id = iterations.project_id
        and spans.started_at < iterations.finish
        and (spans.ended_at is null or spans.ended_at >= iterations.finish)
        and spans.state in ('started', 'finished', 'delivered', 'rejected')
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = spans.story_id and stories.project_id = spans.project_id
    inner join {{ ref('stg_tracker__projects') }} as projects
        on projects.id = iterations.project_id and iterations.number < projects.current_iteration_number
    group by iterations.project_id, iterations.number
),

measured as (
    select
        iterations.project_id,
        projects.name as project,
        iterations.number,
        iterations.start as started_at,
        iterations.finish as finished_at,
        iterations.length as weeks,
        coalesce(iterations.team_strength, 1) as team_strength,
        case
            when iterations.number < projects.current_iteration_number then 'done'
            when iterations.number = projects.current_iteration_number then 'current'
            else 'backlog'
        end as panel,
        coalesce(sums.stories, 0) as stories,
        coalesce(sums.points, 0) as points,
        coalesce(sums.committed_points, 0) as committed_points,
        coalesce(sums.added_points, 0) as added_points,
        coalesce(sums.accepted_stories, 0) as accepted_stories,
        coalesce(sums.accepted_points, 0) as accepted_points,
        case when told.first_told_at < iterations.finish
            then coalesce(spilled.spilled_over_stories, 0) end as spilled_over_stories,
        case when told.first_told_at < iterations.finish
            then coalesce(spilled.spilled_over_points, 0) end as spilled_over_points,
        projects.velocity_averaged_over,
        projects.iteration_length,
        projects.initial_velocity
    from iterations
    inner join {{ ref('stg_tracker__projects') }} as projects on projects.id = iterations.project_id
    left join sums on sums.project_id = iterations.project_id and sums.iteration_number = iterations.number
    left join spilled on spilled.project_id = iterations.project_id and spilled.number = iterations.number
    left join told on told.project_id = iterations.project_id
),

velocities as (
    -- As Tracker computes it: points at full strength a week, over the iterations before, times the usual length. One
    -- without a team tells nothing of full strength, so neither its points nor its weeks count.
    select
        measured.project_id,
        measured.number,
        floor(
            sum(before.accepted_points / before.team_strength)
            / nullif(sum(before.weeks), 0) * measured.iteration_length
        ) as mean
    from measured
    inner join measured as before
        on before.project_id = measured.project_id
        and before.panel = 'done'
        and before.team_strength > 0
        and before.number < measured.number
        and before.number >= measured.number - measured.velocity_averaged_over
    group by measured.project_id, measured.number, measured.iteration_length
)

select
    measured.project_id,
    measured.project,
    measured.number,
    measured.panel,
    measured.started_at,
    measured.finished_at,
    measured.weeks,
    measured.team_strength,
    measured.stories,
    measured.points,
    measured.committed_points,
    measured.added_points,
    measured.accepted_stories,
    measured.accepted_points,
    measured.spilled_over_stories,
    measured.spilled_over_points,
    -- Where that is less than a point, a project plans with its initial velocity.
    coalesce(nullif(velocities.mean, 0), measured.initial_velocity) as velocity
from measured
left join velocities on velocities.project_id = measured.project_id and velocities.number = measured.number
