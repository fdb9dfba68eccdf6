with stories as (
    select * from {{ ref('stg_tracker__stories') }}
),

transitions as (
    select transitions.*
    from {{ ref('stg_tracker__story_transitions') }} as transitions
    inner join stories on stories.id = transitions.story_id and stories.project_id = transitions.project_id
    -- What is accepted now has been since `accepted_at`, which can be set to another day than that of the click.
    where stories.current_state <> 'accepted' or transitions.occurred_at < stories.accepted_at
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
        stories.project_id, stories.id, 'accepted', stories.accepted_at, null,
        case when told.story_id is null then 'story' else 'transitions' end
    from stories
    left join told on told.story_id = stories.id and told.project_id = stories.project_id
    where stories.current_state = 'accepted' and stories.accepted_at is not null
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
