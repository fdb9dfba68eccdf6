with parts as (
    {{ stream('story_blockers', {
    'id': 'integer',
    'project_id': 'integer',
    'story_id': 'integer',
    'person_id': 'integer',
    'resolved': 'boolean',
    'created_at': 'timestamp',
    'updated_at': 'timestamp',
}) }}
)

-- A story that was deleted takes its parts along, of which no deletion tells.
select parts.*
from parts
inner join {{ ref('stg_tracker__stories') }} as stories
    on stories.id = parts.story_id and stories.project_id = parts.project_id
