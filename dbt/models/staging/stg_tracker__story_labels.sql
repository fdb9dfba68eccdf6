with labels as (
    {{ elements(ref('stg_tracker__stories'), ['id', 'project_id'], 'labels') }}
)

select distinct
    id as story_id,
    project_id,
    cast({{ json_text('element', 'id') }} as bigint) as label_id,
    {{ json_text('element', 'name') }} as name
from labels
