-- Of the stories that were accepted in each of the last iterations.
select
    i.project_id,
    i.number,
    i.started_at,
    count(case when s.states_from = 'transitions' and s.times_rejected = 0 and s.times_reopened = 0 then 1 end)
        as accepted_at_once,
    count(case when s.times_rejected > 0 or s.times_reopened > 0 then 1 end) as came_back,
    count(case when s.states_from = 'story' then 1 end) as not_known,
    coalesce(sum(s.times_rejected), 0) as times_rejected,
    coalesce(sum(s.times_reopened), 0) as times_reopened
from tracker__iteration as i
inner join tracker__project as p on p.project_id = i.project_id
left join tracker__story as s
    on s.project_id = i.project_id and s.iteration_number = i.number and s.current_state = 'accepted'
where i.panel <> 'backlog' and i.number > p.current_iteration_number - 52 and p.states_from = 'transitions'
group by i.project_id, i.number, i.started_at
order by project_id, number
