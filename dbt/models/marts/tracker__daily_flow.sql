with told as (
    -- From when on transitions tell the states in a project; without any it has no days.
    select project_id, cast(min(started_at) as date) as first_date
    from {{ ref('tracker__story_state_spans') }}
    where source = 'transitions'
    group by project_id
),

all_moves as (
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

    union all

    -- A story that no transition moved is where it was written, if stories begin there.
    select stories.project_id, cast(stories.created_at as date), stories.current_state, 1, stories.points
    from {{ ref('stg_tracker__stories') }} as stories
    left join {{ ref('tracker__story_state_spans') }} as spans
        on spans.story_id = stories.id and spans.project_id = stories.project_id
    where spans.story_id is null
        and stories.current_state in ('unscheduled', 'unstarted')
        and stories.created_at is not null
),

by_day as (
    select
        moves.project_id,
        greatest(moves.date, told.first_date) as date,
        moves.state,
        sum(moves.stories) as stories,
        sum(moves.points) as points
    from all_moves as moves
    inner join told on told.project_id = moves.project_id
    group by moves.project_id, greatest(moves.date, told.first_date), moves.state
),

ranges as (
    select
        project_id,
        min(date) as first_date,
        greatest(max(date), cast({{ now() }} as date)) as last_date
    from by_day
    group by project_id
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
