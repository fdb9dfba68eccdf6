with listed as (
    {{ elements(ref('stg_tracker__iterations'), ['project_id', 'number'], 'story_ids') }}
)

-- The list of iterations and that of stories are read one after the other: a story may have gone meanwhile.
select listed.project_id, listed.number as iteration_number, stories.id as story_id, listed.position
from listed
inner join {{ ref('stg_tracker__stories') }} as stories
    on stories.id = {{ json_integer('listed.element') }} and stories.project_id = listed.project_id
