-- What is still to be accepted, in the order of the plan: the points up to and with each story. What the current
-- iteration has accepted comes first and counts too, because its velocity paid for that.
with planned as (
    select
        listed.project_id,
        listed.story_id,
        listed.iteration_number,
        stories.current_state,
        sum(stories.points) over (
            partition by listed.project_id
            order by
                listed.iteration_number,
                case when stories.current_state = 'accepted' then 0 else 1 end,
                listed.position
            rows between unbounded preceding and current row
        ) as points_through
    from {{ ref('stg_tracker__iteration_stories') }} as listed
    inner join {{ ref('stg_tracker__projects') }} as projects
        on projects.id = listed.project_id and listed.iteration_number >= projects.current_iteration_number
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = listed.story_id and stories.project_id = listed.project_id
)

select project_id, story_id, iteration_number, points_through
from planned
where current_state <> 'accepted'
