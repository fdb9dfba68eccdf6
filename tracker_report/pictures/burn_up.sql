-- What is known up to the end of each iteration, and from the last done one on, three paces at which it may go on.
with changes as (
    select project_id, created_at as finished_at, points as scope, 0 as accepted, 0 as number
    from tracker__story
    where panel is not null or accepted_at is not null
    union all
    select project_id, accepted_at, 0, points, 0
    from tracker__story
    where accepted_at is not null
    union all
    select project_id, finished_at, 0, 0, number
    from tracker__iteration
    where panel <> 'backlog'
),

-- At one moment, the iteration that ends comes before what is written or accepted then.
sums as (
    select
        project_id,
        number,
        finished_at,
        sum(scope) over upto as scope_points,
        sum(accepted) over upto as accepted_points
    from changes
    window upto as (partition by project_id order by finished_at, number desc rows between unbounded preceding and current row)
),

known as (
    select
        s.project_id,
        s.number,
        s.finished_at,
        s.scope_points,
        s.accepted_points,
        p.current_iteration_number - 1 as last_done
    from sums as s
    inner join tracker__project as p on p.project_id = s.project_id
    where s.number > 0
),

base as (
    select
        p.project_id,
        p.current_iteration_number,
        p.velocity,
        p.velocity_p50,
        p.velocity_p85,
        least(p.velocity, coalesce(p.velocity_p50, p.velocity), coalesce(p.velocity_p85, p.velocity)) as slowest,
        current_one.finished_at as current_end,
        cast(7 * p.weeks as integer) as days,
        current_one.scope_points,
        coalesce(done.accepted_points, 0) as done_points,
        current_one.accepted_points - coalesce(done.accepted_points, 0) as current_points
    from tracker__project as p
    inner join known as current_one
        on current_one.project_id = p.project_id and current_one.number = p.current_iteration_number
    left join known as done on done.project_id = p.project_id and done.number = done.last_done
),

-- The current iteration brings what a pace says, or what it has brought already if that is more.
ahead as (
    select
        base.*,
        steps.n,
        done_points + greatest(current_points, velocity) + steps.n * velocity as at_velocity,
        done_points + greatest(current_points, velocity_p50) + steps.n * velocity_p50 as at_p50,
        done_points + greatest(current_points, velocity_p85) + steps.n * velocity_p85 as at_p85
    from base
    cross join (select n from generate_series(0, 52) as s(n)) as steps
    -- Up to where the slowest gets there, or a year for one that never does.
    where steps.n = 0 or done_points + greatest(current_points, slowest) + (steps.n - 1) * slowest < scope_points
)

select
    project_id,
    number,
    finished_at,
    scope_points,
    accepted_points,
    case when number = last_done then accepted_points end as projected_points,
    case when number = last_done then accepted_points end as projected_points_p50,
    case when number = last_done then accepted_points end as projected_points_p85
from known
where number <= last_done and number > last_done - 52
union all
-- Of nothing known, `least` takes the scope.
select
    project_id,
    current_iteration_number + n,
    current_end + n * days * interval '1 day',
    scope_points,
    null,
    case when velocity is not null then least(scope_points, at_velocity) end,
    case when velocity_p50 is not null then least(scope_points, at_p50) end,
    case when velocity_p85 is not null then least(scope_points, at_p85) end
from ahead
order by project_id, number
