{{ parts_of_stories('story_transitions', {
    'project_id': 'integer',
    'project_version': 'integer',
    'story_id': 'integer',
    'state': 'text',
    'performed_by_id': 'integer',
    'occurred_at': 'timestamp',
}) }}
