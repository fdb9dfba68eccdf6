with moves as (
    -- A story comes into a state on the day of the last span of that day, and leaves the one before.
    select
        spans.project_id,
        cast(spans.started_at as date) as date,
        spans.state,
        1 as stories,
        stories.points
    from {{ ref('tracker__story_state_spans') }} as spans
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = spans.story_id and stories.project_id = spans.project_id

    union all

    select
        spans.project_id,
        cast(spans.ended_at as date),
        spans.state,
        -1,
        -stories.points
    from {{ ref('tracker__story_state_spans') }} as spans
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = spans.story_id and stories.project_id = spans.project_id
    where spans.ended_at is not null
),

by_day as (
    select project_id, date, state, sum(stories) as stories, sum(points) as points
    from moves
    group by project_id, date, state
),

ranges as (
    select
        by_day.project_id,
        min(least(by_day.date, coalesce(cast(projects.start_time as date), by_day.date))) as first_date,
        greatest(max(by_day.date), cast({{ now() }} as date)) as last_date
    from by_day
    left join {{ ref('stg_tracker__projects') }} as projects on projects.id = by_day.project_id
    group by by_day.project_id
),

numbers as (
    {{ numbers(8) }}
),

dates as (
    select
        ranges.project_id,
        cast(ranges.first_date + cast(numbers.n as integer) * interval '1 day' as date) as date
    from ranges
    inner join numbers on numbers.n <= cast(ranges.last_date as date) - cast(ranges.first_date as date)
),

states as (
    select distinct project_id, state from by_day
)

select
    dates.project_id,
    dates.date,
    states.state,
    cast(sum(coalesce(by_day.stories, 0)) over (
        partition by dates.project_id, states.state order by dates.date
    ) as bigint) as stories,
    sum(coalesce(by_day.points, 0)) over (
        partition by dates.project_id, states.state order by dates.date
    ) as points
from dates
inner join states on states.project_id = dates.project_id
left join by_day
    on by_day.project_id = dates.project_id and by_day.date = dates.date and by_day.state = states.state
