{{ stream('releases', {
    'id': 'integer',
    'project_id': 'integer',
    'name': 'text',
    'current_state': 'text',
    'points_total': 'number',
    'points_accepted': 'number',
    'counts_total': 'integer',
    'counts_accepted': 'integer',
    'accepted_at': 'timestamp',
    'deadline': 'timestamp',
    'projected_completion': 'timestamp',
}) }}
