-- What was accepted in each of the last iterations.
select
    i.project_id,
    i.number,
    i.started_at,
    count(case when s.story_type = 'feature' then 1 end) as features,
    count(case when s.story_type = 'bug' then 1 end) as bugs,
    count(case when s.story_type = 'chore' then 1 end) as chores,
    count(case when s.story_type = 'release' then 1 end) as releases
from tracker__iteration as i
inner join tracker__project as p on p.project_id = i.project_id
left join tracker__story as s
    on s.project_id = i.project_id and s.iteration_number = i.number and s.current_state = 'accepted'
where i.panel <> 'backlog' and i.number > p.current_iteration_number - 52
group by i.project_id, i.number, i.started_at
order by project_id, number
