select
    labels.id as label_id,
    labels.project_id,
    projects.name as project,
    labels.name,
    count(stories.story_id) as stories,
    coalesce(sum(stories.points), 0) as points,
    {%- for state in ['unscheduled', 'unstarted', 'planned', 'started', 'finished', 'delivered', 'rejected', 'accepted'] %}
    sum(case when stories.current_state = '{{ state }}' then 1 else 0 end) as stories_{{ state }},
    {%- endfor %}
    coalesce(sum(case when stories.current_state = 'accepted' then stories.points else 0 end), 0) as accepted_points,
    max(stories.accepted_at) as last_accepted_at,
    count(distinct epics.id) > 0 as is_epic
from {{ ref('stg_tracker__labels') }} as labels
left join {{ ref('stg_tracker__projects') }} as projects on projects.id = labels.project_id
left join {{ ref('stg_tracker__story_labels') }} as of_stories
    on of_stories.label_id = labels.id and of_stories.project_id = labels.project_id
left join {{ ref('tracker__story') }} as stories
    on stories.story_id = of_stories.story_id and stories.project_id = of_stories.project_id
left join {{ ref('stg_tracker__epics') }} as epics
    on epics.label_id = labels.id and epics.project_id = labels.project_id
group by labels.id, labels.project_id, projects.name, labels.name
