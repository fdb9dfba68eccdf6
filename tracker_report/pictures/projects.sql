-- One row a project: the figures at the top of the page. Those that changed last come first.
select
    project_id,
    name,
    last_updated_at,
    velocity,
    accepted_points,
    points,
    stories_in_progress,
    blocked_stories,
    unestimated_stories,
    cycle_time_days_p50,
    cycle_time_days_p85,
    states_from
from tracker__project
where project_id is not null
order by last_updated_at desc, project_id
