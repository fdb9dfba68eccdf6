with stories as (
    select * from {{ ref('stg_tracker__stories') }}
),

accepted as (
    -- What is accepted now has been since `accepted_at`, which can be set to another day than that of the click. In an
    -- export that is a day, in a time zone that is not known: a click that can be of that day tells the time.
    select
        stories.project_id,
        stories.id as story_id,
        coalesce(max(clicks.occurred_at), stories.accepted_at) as accepted_at
    from stories
    left join {{ ref('stg_tracker__projects') }} as projects on projects.id = stories.project_id
    left join {{ ref('stg_tracker__story_transitions') }} as clicks
        on clicks.story_id = stories.id and clicks.project_id = stories.project_id
        and clicks.state = 'accepted'
        and stories.accepted_at = cast(cast(stories.accepted_at as date) as timestamp)
        and clicks.occurred_at >= stories.accepted_at
            - case when projects.time_zone is null then interval '14 hour' else interval '0 hour' end
        and clicks.occurred_at < stories.accepted_at
            + case when projects.time_zone is null then interval '36 hour' else interval '24 hour' end
    where stories.current_state = 'accepted' and stories.accepted_at is not null
    group by stories.project_id, stories.id, stories.accepted_at
),

transitions as (
    select transitions.*
    from {{ ref('stg_tracker__story_transitions') }} as transitions
    inner join stories on stories.id = transitions.story_id and stories.project_id = transitions.project_id
    left join accepted on accepted.story_id = stories.id and accepted.project_id = stories.project_id
    where accepted.story_id is null or transitions.occurred_at < accepted.accepted_at
),

told as (
    select distinct project_id, story_id from {{ ref('stg_tracker__story_transitions') }}
),

states as (
    select project_id, story_id, state, occurred_at as started_at, project_version, 'transitions' as source
    from transitions

    union all

    -- An open story without transitions has no stay: nothing tells when its state began.
    select
        accepted.project_id, accepted.story_id, 'accepted', accepted.accepted_at, null,
        case when told.story_id is null then 'story' else 'transitions' end
    from accepted
    left join told on told.story_id = accepted.story_id and told.project_id = accepted.project_id
),

ordered as (
    select
        states.*,
        row_number() over (
            partition by project_id, story_id order by started_at, coalesce(project_version, 9007199254740991)
        ) as sequence,
        lead(started_at) over (
            partition by project_id, story_id order by started_at, coalesce(project_version, 9007199254740991)
        ) as ended_at
    from states
)

select
    story_id,
    project_id,
    sequence,
    state,
    started_at,
    ended_at,
    ended_at is null as is_current,
    {{ seconds_between('started_at', 'coalesce(ended_at, greatest(started_at, ' ~ now() ~ '))') }} as seconds,
    source
from ordered
