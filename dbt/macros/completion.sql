{%- macro completion(points, pace, velocity) -%}
    {#-
        When so many points will be accepted at a velocity: the end of the iteration in which the last of them is.
        The current iteration takes as many as the velocity, or what it has accepted already if that is more.
        Nothing left to plan for is null. So is a velocity that is unknown, or that never gets there.
    -#}
    case
        when {{ points }} is null or {{ velocity }} is null then null
        when {{ points }} <= coalesce({{ pace }}.accepted_now, 0) then {{ pace }}.finished_at
        when {{ velocity }} <= 0 then null
        else cast(
            {{ pace }}.finished_at + cast(ceil(greatest(least(
                {{ points }} / {{ velocity }} - 1,
                ({{ points }} - coalesce({{ pace }}.accepted_now, 0)) / {{ velocity }}
            ), 0)) as integer) * {{ pace }}.iteration_length * interval '7 day'
        as timestamp)
    end
{%- endmacro -%}
