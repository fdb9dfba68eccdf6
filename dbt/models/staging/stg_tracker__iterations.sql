{{ stream('iterations', {
    'project_id': 'integer',
    'number': 'integer',
    'length': 'integer',
    'team_strength': 'number',
    'story_ids': 'json',
    'points': 'number',
    'accepted_points': 'number',
    'velocity': 'number',
    'start': 'timestamp',
    'finish': 'timestamp',
}) }}
