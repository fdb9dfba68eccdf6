-- The last half year, the stages in the order of work from the last to the first.
select
    f.project_id,
    f.date,
    sum(case when f.state = 'accepted' then f.stories else 0 end) as accepted,
    sum(case when f.state = 'delivered' then f.stories else 0 end) as delivered,
    sum(case when f.state = 'finished' then f.stories else 0 end) as finished,
    sum(case when f.state = 'rejected' then f.stories else 0 end) as rejected,
    sum(case when f.state = 'started' then f.stories else 0 end) as started,
    sum(case when f.state in ('unstarted', 'planned') then f.stories else 0 end) as waiting,
    sum(case when f.state = 'unscheduled' then f.stories else 0 end) as unscheduled
from tracker__daily_flow as f
inner join (
    select project_id, max(date) as last_day
    from tracker__daily_flow
    group by project_id
) as l on l.project_id = f.project_id
where f.date > l.last_day - interval '183 days'
group by f.project_id, f.date
order by project_id, date
