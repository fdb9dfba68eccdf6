-- The thousand stories that were accepted last.
select
    s.project_id,
    s.story_id,
    s.name,
    s.url,
    s.story_type,
    s.accepted_at,
    s.points,
    s.cycle_time_days,
    s.lead_time_days,
    p.cycle_time_days_p50,
    p.cycle_time_days_p85
from (
    select *, row_number() over (partition by project_id order by accepted_at desc, story_id) as age
    from tracker__story
    where accepted_at is not null and cycle_time_days is not null
) as s
inner join tracker__project as p on p.project_id = s.project_id
where s.age <= 1000
order by project_id, accepted_at desc, story_id
