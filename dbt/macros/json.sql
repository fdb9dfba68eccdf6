{%- macro elements(relation, keys, column) -%}
    {#- The elements of a column with a JSON array: the keys of its row, `element` (JSON) and `position`, from 1 on. -#}
    {{ adapter.dispatch('elements', 'tracker')(relation, keys, column) }}
{%- endmacro -%}

{%- macro duckdb__elements(relation, keys, column) -%}
    select
        {{ keys | join(', ') }},
        unnest(from_json({{ column }}, '["JSON"]')) as element,
        generate_subscripts(from_json({{ column }}, '["JSON"]'), 1) as position
    from {{ relation }}
    where {{ column }} is not null
{%- endmacro -%}

{%- macro postgres__elements(relation, keys, column) -%}
    select {{ keys | join(', ') }}, list.element, list.position
    from {{ relation }}
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof({{ column }}) = 'array' then {{ column }} else '[]' end
    ) with ordinality as list (element, position)
{%- endmacro -%}

{%- macro json_text(value, key) -%}
    {{ adapter.dispatch('json_text', 'tracker')(value, key) }}
{%- endmacro -%}
{%- macro default__json_text(value, key) -%}({{ value }} ->> '{{ key }}'){%- endmacro -%}

{%- macro json_integer(value) -%}
    {{ adapter.dispatch('json_integer', 'tracker')(value) }}
{%- endmacro -%}
{%- macro duckdb__json_integer(value) -%}cast({{ value }} as bigint){%- endmacro -%}
{%- macro postgres__json_integer(value) -%}cast({{ value }} #>> '{}' as bigint){%- endmacro -%}
