with scope as (
    select
        epics.id as epic_id,
        epics.project_id,
        count(stories.story_id) as stories,
        sum(stories.points) as points,
        sum(case when stories.current_state = 'accepted' then 1 else 0 end) as accepted_stories,
        sum(case when stories.current_state = 'accepted' then stories.points else 0 end) as accepted_points,
        sum(case when stories.current_state = 'unscheduled' then 1 else 0 end) as icebox_stories,
        min(stories.created_at) as first_story_created_at,
        max(stories.accepted_at) as last_accepted_at,
        max(backlog.points_through) as points_through
    from {{ ref('stg_tracker__epics') }} as epics
    left join {{ ref('stg_tracker__story_labels') }} as labels
        on labels.label_id = epics.label_id and labels.project_id = epics.project_id
    left join {{ ref('tracker__story') }} as stories
        on stories.story_id = labels.story_id and stories.project_id = labels.project_id
    left join {{ ref('int_tracker__backlog') }} as backlog
        on backlog.story_id = stories.story_id and backlog.project_id = stories.project_id
    group by epics.id, epics.project_id
)

select
    epics.id as epic_id,
    epics.project_id,
    projects.name as project,
    epics.name,
    epics.url,
    scope.stories,
    coalesce(scope.points, 0) as points,
    coalesce(scope.accepted_stories, 0) as accepted_stories,
    coalesce(scope.accepted_points, 0) as accepted_points,
    scope.stories - coalesce(scope.accepted_stories, 0) as remaining_stories,
    coalesce(scope.points, 0) - coalesce(scope.accepted_points, 0) as remaining_points,
    coalesce(scope.icebox_stories, 0) as icebox_stories,
    scope.first_story_created_at,
    case when scope.stories > 0 and scope.stories = scope.accepted_stories
        then scope.last_accepted_at end as completed_at,
    {{ completion('scope.points_through', 'pace', 'pace.velocity') }} as projected_by_velocity,
    {{ completion('scope.points_through', 'pace', 'pace.velocity_p50') }} as projected_p50,
    {{ completion('scope.points_through', 'pace', 'pace.velocity_p85') }} as projected_p85,
    epics.projected_completion as projected_by_tracker
from {{ ref('stg_tracker__epics') }} as epics
inner join scope on scope.epic_id = epics.id and scope.project_id = epics.project_id
left join {{ ref('stg_tracker__projects') }} as projects on projects.id = epics.project_id
left join {{ ref('int_tracker__pace') }} as pace on pace.project_id = epics.project_id
