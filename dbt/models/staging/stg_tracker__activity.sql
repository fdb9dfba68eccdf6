{{ stream('activity', {
    'guid': 'text',
    'project_id': 'integer',
    'performed_by': 'json',
    'occurred_at': 'timestamp',
}) }}
