with stories as (
    {{ stream('stories', {
    'id': 'integer',
    'project_id': 'integer',
    'name': 'text',
    'story_type': 'text',
    'story_priority': 'text',
    'current_state': 'text',
    'estimate': 'number',
    'labels': 'json',
    'requested_by_id': 'integer',
    'owner_ids': 'json',
    'accepted_at': 'timestamp',
    'deadline': 'timestamp',
    'url': 'text',
    'created_at': 'timestamp',
    'updated_at': 'timestamp',
}) }}
)

-- Points are what Tracker counts: an estimate, where the type of the story has one in this project.
select
    stories.*,
    case
        when stories.story_type = 'feature'
            or (stories.story_type in ('bug', 'chore') and projects.bugs_and_chores_are_estimatable)
            then coalesce(stories.estimate, 0)
        else 0
    end as points
from stories
left join {{ ref('stg_tracker__projects') }} as projects on projects.id = stories.project_id
