{{ stream('project_memberships', {
    'id': 'integer',
    'project_id': 'integer',
    'person': 'json',
    'role': 'text',
}) }}
