-- The labels of each story, and the epics that they stand for, each in one text.
with labels as (
    select labels.project_id, labels.story_id, labels.name, epics.name as epic
    from {{ ref('stg_tracker__story_labels') }} as labels
    left join {{ ref('stg_tracker__epics') }} as epics
        on epics.label_id = labels.label_id and epics.project_id = labels.project_id
)

select
    project_id,
    story_id,
    {{ dbt.listagg("name", "', '", "order by name") }} as labels,
    {{ dbt.listagg("epic", "', '", "order by epic") }} as epics
from labels
group by project_id, story_id
