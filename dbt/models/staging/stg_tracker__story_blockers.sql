{{ parts_of_stories('story_blockers', {
    'id': 'integer',
    'project_id': 'integer',
    'story_id': 'integer',
    'person_id': 'integer',
    'resolved': 'boolean',
    'created_at': 'timestamp',
    'updated_at': 'timestamp',
}) }}
