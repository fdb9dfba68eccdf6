with named as (
    select person, 1 as rank from {{ ref('stg_tracker__project_memberships') }} where person is not null
    union all
    select performed_by, 2 from {{ ref('stg_tracker__activity') }} where performed_by is not null
),

people as (
    select
        cast({{ json_text('person', 'id') }} as bigint) as id,
        {{ json_text('person', 'name') }} as name,
        {{ json_text('person', 'initials') }} as initials,
        rank
    from named
)

-- Whoever has left a project is named by what they did in it.
select id, name, initials
from (
    select people.*, row_number() over (partition by id order by rank, name) as place
    from people
    where id is not null
) as ranked
where place = 1
