with owners as (
    {{ elements(ref('stg_tracker__stories'), ['id', 'project_id'], 'owner_ids') }}
)

select distinct id as story_id, project_id, {{ json_integer('element') }} as person_id
from owners
