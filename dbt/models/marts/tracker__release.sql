select
    releases.story_id as release_id,
    releases.project_id,
    projects.name as project,
    releases.name,
    releases.url,
    releases.current_state,
    releases.deadline,
    releases.accepted_at,
    figures.counts_total as stories,
    figures.points_total as points,
    figures.counts_accepted as accepted_stories,
    figures.points_accepted as accepted_points,
    figures.counts_total - figures.counts_accepted as remaining_stories,
    figures.points_total - figures.points_accepted as remaining_points,
    {{ completion('backlog.points_through', 'pace', 'pace.velocity') }} as projected_by_velocity,
    {{ completion('backlog.points_through', 'pace', 'pace.velocity_p50') }} as projected_p50,
    {{ completion('backlog.points_through', 'pace', 'pace.velocity_p85') }} as projected_p85,
    figures.projected_completion as projected_by_tracker,
    case
        when releases.deadline is null or releases.current_state = 'accepted' then null
        when releases.deadline < {{ now() }} then true
        -- Points to come, at a pace that brings none.
        when backlog.points_through > pace.accepted_now and pace.velocity_p85 <= 0 then true
        else {{ completion('backlog.points_through', 'pace', 'pace.velocity_p85') }} > releases.deadline
    end as is_at_risk
from {{ ref('tracker__story') }} as releases
left join {{ ref('stg_tracker__releases') }} as figures
    on figures.id = releases.story_id and figures.project_id = releases.project_id
left join {{ ref('stg_tracker__projects') }} as projects on projects.id = releases.project_id
left join {{ ref('int_tracker__backlog') }} as backlog
    on backlog.story_id = releases.story_id and backlog.project_id = releases.project_id
left join {{ ref('int_tracker__pace') }} as pace on pace.project_id = releases.project_id
where releases.story_type = 'release'
