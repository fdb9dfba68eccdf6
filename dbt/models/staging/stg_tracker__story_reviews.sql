{{ parts_of_stories('story_reviews', {
    'id': 'integer',
    'project_id': 'integer',
    'story_id': 'integer',
    'review_type_id': 'integer',
    'reviewer_id': 'integer',
    'status': 'text',
    'created_at': 'timestamp',
    'updated_at': 'timestamp',
}) }}
