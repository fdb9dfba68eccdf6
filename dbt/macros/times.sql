{%- macro now() -%}
    {#- The time up to which open states last, of UTC. -#}
    {%- if var('tracker_now') -%}
        cast('{{ var("tracker_now") }}' as timestamp)
    {%- else -%}
        cast({{ dbt.current_timestamp() }} at time zone 'UTC' as timestamp)
    {%- endif -%}
{%- endmacro -%}

{%- macro seconds_between(begin, finish) -%}
    cast(extract(epoch from {{ finish }}) - extract(epoch from {{ begin }}) as double precision)
{%- endmacro -%}

{%- macro percentile(value, share) -%}
    percentile_cont({{ share }}) within group (order by {{ value }})
{%- endmacro -%}
