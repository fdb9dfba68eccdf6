-- The owners of each story by name, in one text.
select
    owners.project_id,
    owners.story_id,
    {{ dbt.listagg("coalesce(people.name, cast(owners.person_id as varchar))", "', '", "order by coalesce(people.name, cast(owners.person_id as varchar))") }} as owners,
    count(*) as owner_count
from {{ ref('stg_tracker__story_owners') }} as owners
left join {{ ref('stg_tracker__people') }} as people on people.id = owners.person_id
group by owners.project_id, owners.story_id
