with owned as (
    select
        owners.person_id,
        owners.project_id,
        stories.id as story_id,
        stories.current_state,
        stories.points,
        stories.accepted_at,
        placed.iteration_number
    from {{ ref('stg_tracker__story_owners') }} as owners
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = owners.story_id and stories.project_id = owners.project_id
    left join {{ ref('tracker__story') }} as placed
        on placed.story_id = stories.id and placed.project_id = stories.project_id
),

recent as (
    select project_id, number
    from (
        select
            iterations.project_id, iterations.number,
            row_number() over (partition by iterations.project_id order by iterations.number desc) as age,
            projects.velocity_averaged_over
        from {{ ref('tracker__iteration') }} as iterations
        inner join {{ ref('stg_tracker__projects') }} as projects on projects.id = iterations.project_id
        where iterations.panel = 'done'
    ) as done
    where age <= velocity_averaged_over
),

work as (
    select
        owned.person_id,
        owned.project_id,
        sum(case when owned.current_state in ('started', 'finished', 'delivered', 'rejected') then 1 else 0 end)
            as stories_in_progress,
        sum(case when owned.current_state in ('started', 'finished', 'delivered', 'rejected') then owned.points else 0 end)
            as points_in_progress,
        sum(case when owned.current_state = 'unstarted' then 1 else 0 end) as stories_waiting,
        sum(case when owned.current_state = 'accepted' then 1 else 0 end) as stories_accepted,
        sum(case when owned.current_state = 'accepted' then owned.points else 0 end) as points_accepted,
        sum(case when owned.current_state = 'accepted' and recent.number is not null then 1 else 0 end)
            as recent_stories_accepted,
        sum(case when owned.current_state = 'accepted' and recent.number is not null then owned.points else 0 end)
            as recent_points_accepted
    from owned
    left join recent on recent.project_id = owned.project_id and recent.number = owned.iteration_number
    group by owned.person_id, owned.project_id
),

reviews as (
    select
        reviewer_id as person_id,
        project_id,
        count(*) as reviews,
        sum(case when status = 'pass' then 1 else 0 end) as reviews_passed,
        sum(case when status in ('unstarted', 'in_review') then 1 else 0 end) as reviews_open
    from {{ ref('stg_tracker__story_reviews') }}
    where reviewer_id is not null
    group by reviewer_id, project_id
),

requested as (
    select requested_by_id as person_id, project_id, count(*) as stories_requested
    from {{ ref('stg_tracker__stories') }}
    where requested_by_id is not null
    group by requested_by_id, project_id
),

everybody as (
    select person_id, project_id from work
    union
    select person_id, project_id from reviews
    union
    select person_id, project_id from requested
    union
    select cast({{ json_text('person', 'id') }} as bigint), project_id
    from {{ ref('stg_tracker__project_memberships') }}
    where person is not null
)

select
    everybody.person_id,
    everybody.project_id,
    projects.name as project,
    people.name,
    people.initials,
    coalesce(work.stories_in_progress, 0) as stories_in_progress,
    coalesce(work.points_in_progress, 0) as points_in_progress,
    coalesce(work.stories_waiting, 0) as stories_waiting,
    coalesce(work.stories_accepted, 0) as stories_accepted,
    coalesce(work.points_accepted, 0) as points_accepted,
    coalesce(work.recent_stories_accepted, 0) as recent_stories_accepted,
    coalesce(work.recent_points_accepted, 0) as recent_points_accepted,
    coalesce(requested.stories_requested, 0) as stories_requested,
    coalesce(reviews.reviews, 0) as reviews,
    coalesce(reviews.reviews_passed, 0) as reviews_passed,
    coalesce(reviews.reviews_open, 0) as reviews_open
from everybody
left join {{ ref('stg_tracker__people') }} as people on people.id = everybody.person_id
left join {{ ref('stg_tracker__projects') }} as projects on projects.id = everybody.project_id
left join work on work.person_id = everybody.person_id and work.project_id = everybody.project_id
left join reviews on reviews.person_id = everybody.person_id and reviews.project_id = everybody.project_id
left join requested on requested.person_id = everybody.person_id and requested.project_id = everybody.project_id
