{{ stream('labels', {
    'id': 'integer',
    'project_id': 'integer',
    'name': 'text',
    'created_at': 'timestamp',
}) }}
