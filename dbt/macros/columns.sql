{#- What the streams of the connector are in this database: which tables and columns there are, and of which type. -#}

{%- macro stream_relation(stream) -%}
    {#- The table of a stream; none if it is missing. -#}
    {%- if not execute or stream in var('tracker_missing_streams') -%}
        {%- do return(none) -%}
    {%- endif -%}
    {%- do return(adapter.get_relation(
        database=var('tracker_database') or target.database,
        schema=var('tracker_schema') or target.schema,
        identifier=var('tracker_table_prefix') ~ stream
    )) -%}
{%- endmacro -%}

{%- macro stream(name, columns) -%}
    {#-
        A query of a stream: the columns in a dict of names and types, without the rows of what was deleted.
        A column that is not there is null, and a stream that is missing has no rows.
    -#}
    {%- set relation = stream_relation(name) -%}
    {%- set types = {} -%}
    {%- if relation is not none -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do types.update({column.name | lower: column.data_type | lower}) -%}
        {%- endfor -%}
    {%- endif -%}
    select
    {%- for column, type in columns.items() %}
        {{ typed(column, type, types.get(column)) }} as {{ adapter.quote(column) }}
        {{- "," if not loop.last }}
    {%- endfor %}
    {%- if relation is none %}
    where false
    {%- else %}
    from {{ relation }}
    {%- if '_ab_cdc_deleted_at' in types %}
    where _ab_cdc_deleted_at is null
    {%- endif %}
    {%- endif %}
{%- endmacro -%}

{%- macro parts_of_stories(name, columns) -%}
    {#- As `stream`, for parts of stories: a story that was deleted takes its parts along, of which no deletion tells. -#}
    with parts as (
        {{ stream(name, columns) }}
    )

    select parts.*
    from parts
    inner join {{ ref('stg_tracker__stories') }} as stories
        on stories.id = parts.story_id and stories.project_id = parts.project_id
{%- endmacro -%}

{%- macro typed(column, type, found) -%}
    {#- A column as this type; times are of UTC and without a zone, however they are stored. -#}
    {%- if found is none -%}
        cast(null as {{ type_of(type) }})
    {%- elif type == 'timestamp' and found not in ('timestamp', 'timestamp without time zone', 'date') -%}
        cast({{ adapter.quote(column) }} as timestamp with time zone) at time zone 'UTC'
    {%- else -%}
        cast({{ adapter.quote(column) }} as {{ type_of(type) }})
    {%- endif -%}
{%- endmacro -%}

{%- macro type_of(type) -%}
    {%- do return({
        'integer': 'bigint', 'number': 'double precision', 'text': 'varchar', 'boolean': 'boolean',
        'timestamp': 'timestamp', 'date': 'date', 'json': type_json(),
    }[type]) -%}
{%- endmacro -%}

{%- macro type_json() -%}
    {%- do return(adapter.dispatch('type_json', 'tracker')()) -%}
{%- endmacro -%}
{%- macro default__type_json() -%}{%- do return('json') -%}{%- endmacro -%}
{%- macro postgres__type_json() -%}{%- do return('jsonb') -%}{%- endmacro -%}
