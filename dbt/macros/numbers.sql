{%- macro numbers(digits) -%}
    {#- The numbers from 0 to below 4 to the power of so many digits, as `n`: a table for days that both databases take. -#}
    select {% for place in range(digits) %}d{{ place }}.d * {{ 4 ** place }}{{ " + " if not loop.last }}{% endfor %} as n
    from
    {%- for place in range(digits) %}
    {{ "cross join " if not loop.first }}(select 0 as d union all select 1 union all select 2 union all select 3) as d{{ place }}
    {%- endfor %}
{%- endmacro -%}
