-- Incremental builds: which sessions a model makes again, and how its old rows of them go.

-- Names of the lake's tables that a model reads, itself or through other models, quoted. A mart is made again
-- wherever any of them changed, so there is no list that one could forget to extend.
{% macro tables_read(node) -%}
    {%- set found = [] -%}
    {%- for source in node.sources -%}{%- do found.append("'" ~ source[1] ~ "'") -%}{%- endfor -%}
    {%- for id in node.depends_on.nodes if id.startswith('model.') -%}
        {%- do found.append(tables_read(graph.nodes[id])) -%}
    {%- endfor -%}
    {{ found | unique | join(', ') }}
{%- endmacro %}

-- Sessions whose rows may have to be others than those that are there: (exchange, date).
{% macro changed_sessions() -%}
(
    select distinct exchange, date
    from {{ source('lake', 'changed_sessions') }}
    {% if execute %}where table_name in ({{ tables_read(model) }}){% endif %}
)
{%- endmacro %}

-- The sessions that this run makes: all in a full build, those changed in an incremental one.
{% macro sessions_to_build() -%}
(
    select sessions.*
    from {{ source('lake', 'sessions') }} as sessions
    {% if is_incremental() -%}
    semi join {{ changed_sessions() }} as changed using (exchange, date)
    {%- endif %}
)
{%- endmacro %}

-- Whether a day lies within what an incremental run makes, bounds as constants: with them DuckDB opens only files
-- and row groups near the changed sessions. (Not `--vars`: another value makes dbt parse the project anew, 4 s.)
{% macro near_changes(before=0, after=0) -%}
    {%- if is_incremental() -%}
    {%- set bounds = run_query("select min(date), max(date) from " ~ changed_sessions()).rows[0] -%}
    {%- if bounds[0] -%}
    date between date '{{ bounds[0] }}' - {{ before }} and date '{{ bounds[1] }}' + {{ after }}
    {%- else -%}
    false
    {%- endif -%}
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

-- Pre-hook of every model: rows of changed sessions go. A mart by month (`grain_of_rows: month`) loses the months.
{% macro take_out_changed_rows() -%}
    {%- if is_incremental() -%}
    delete from {{ this }} as mart using {{ changed_sessions() }} as changed
    where mart.exchange = changed.exchange
    {%- if model.config.meta.get('rows_by') == 'month' %} and mart.month = date_trunc('month', changed.date)
    {%- else %} and mart.date = changed.date
    {%- endif -%}
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}
