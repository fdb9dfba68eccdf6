with parts as (
    {{ stream('story_transitions', {
    'project_id': 'integer',
    'project_version': 'integer',
    'story_id': 'integer',
    'state': 'text',
    'performed_by_id': 'integer',
    'occurred_at': 'timestamp',
}) }}
)

-- A story that was deleted takes its parts along, of which no deletion tells.
select parts.*
from parts
inner join {{ ref('stg_tracker__stories') }} as stories
    on stories.id = parts.story_id and stories.project_id = parts.project_id
