-- The last year or so: the current iteration, and 51 before it.
select
    i.project_id,
    i.number,
    i.started_at,
    i.committed_points,
    i.added_points,
    i.accepted_points,
    i.spilled_over_points,
    i.velocity
from tracker__iteration as i
inner join tracker__project as p on p.project_id = i.project_id
where i.panel <> 'backlog' and i.number > p.current_iteration_number - 52
order by project_id, number
