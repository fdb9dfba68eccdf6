-- Blockers and reviews, counted by story.
with blockers as (
    select
        project_id, story_id, count(*) as blockers,
        sum(case when coalesce(resolved, false) then 0 else 1 end) as open_blockers
    from {{ ref('stg_tracker__story_blockers') }}
    group by project_id, story_id
),

reviews as (
    select
        project_id, story_id, count(*) as reviews,
        sum(case when status = 'pass' then 1 else 0 end) as reviews_passed
    from {{ ref('stg_tracker__story_reviews') }}
    group by project_id, story_id
)

select
    stories.project_id,
    stories.id as story_id,
    coalesce(blockers.blockers, 0) as blockers,
    coalesce(blockers.open_blockers, 0) as open_blockers,
    coalesce(reviews.reviews, 0) as reviews,
    coalesce(reviews.reviews_passed, 0) as reviews_passed
from {{ ref('stg_tracker__stories') }} as stories
left join blockers on blockers.story_id = stories.id and blockers.project_id = stories.project_id
left join reviews on reviews.story_id = stories.id and reviews.project_id = stories.project_id
