{%- macro completion(points, pace, velocity) -%}
    {#-
        When so many points will be accepted at a velocity: the end of the iteration in which the last of them is.
        Nothing left to plan for is null, and so is a velocity that never gets there.
    -#}
    case
        when {{ points }} is null or coalesce({{ velocity }}, 0) <= 0 then null
        else cast(
            {{ pace }}.finished_at + cast(greatest(ceil({{ points }} / {{ velocity }}) - 1, 0) as integer)
            * {{ pace }}.iteration_length * interval '7 day'
        as timestamp)
    end
{%- endmacro -%}
