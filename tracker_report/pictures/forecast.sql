-- What is not done yet, the next first: two hundred at most.
with everything as (
    select
        project_id, 'release' as kind, release_id as number, name, url, remaining_points,
        cast(null as integer) as icebox_stories, deadline, projected_p50, projected_p85, is_at_risk
    from tracker__release
    where current_state <> 'accepted'
    union all
    select
        project_id, 'epic', epic_id, name, url, remaining_points,
        icebox_stories, cast(null as timestamp), projected_p50, projected_p85, cast(null as boolean)
    from tracker__epic
    where remaining_stories > 0
),

numbered as (
    select
        *,
        row_number() over (
            partition by project_id order by kind desc, coalesce(projected_p50, deadline), number
        ) as place
    from everything
)

select
    project_id,
    kind,
    number,
    name,
    url,
    remaining_points,
    icebox_stories,
    deadline,
    projected_p50,
    projected_p85,
    is_at_risk
from numbered
where place <= 200
order by project_id, kind desc, coalesce(projected_p50, deadline), number
