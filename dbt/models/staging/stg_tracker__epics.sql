with epics as (
    {{ stream('epics', {
    'id': 'integer',
    'project_id': 'integer',
    'name': 'text',
    'label': 'json',
    'url': 'text',
    'created_at': 'timestamp',
    'updated_at': 'timestamp',
    'completed_at': 'timestamp',
    'projected_completion': 'timestamp',
}) }}
)

select epics.*, cast({{ json_text('epics.label', 'id') }} as bigint) as label_id
from epics
