-- Point in time: the only place where the marts say what was known when.

-- Whether a stored row is what was known at a moment: known by then, and not yet superseded by a revision.
-- `superseded_at` is the lake's hidden column (docs/lake.md); with a column `withdrawn` add `not withdrawn`.
{% macro was_known(row, moment) -%}
{{ row }}.known_at <= {{ moment }} and coalesce({{ row }}.superseded_at > {{ moment }}, true)
{%- endmacro %}

-- Whether a dated row (first, last) that was known at a moment holds on a day.
{% macro held(row, day, moment) -%}
{{ day }} between {{ row }}.first and coalesce({{ row }}.last, {{ day }}) and {{ was_known(row, moment) }}
{%- endmacro %}

-- Rows that were news when they became known: of a key, no newer period was known by then. From its `known_at` on
-- such a row is the newest figure, until the next one; so `asof join ... >= known_at` finds what was known at a
-- moment, and a revision of an older period hides nothing. At most one row a key and `known_at`.
{% macro news(relation, key) -%}
(
    select *
    from {{ relation }}
    qualify ts = max(ts) over (partition by {{ key }} order by known_at range unbounded preceding)
        and row_number() over (partition by {{ key }}, known_at order by ts desc, source) = 1
)
{%- endmacro %}

-- Daily bars of sessions, one row an instrument, as they were known at the next session's open.
-- `sessions` is a CTE with exchange, date, previous and next_open; `day` its column with the day of the bars. The
-- columns `exchange` and `date` are those of the session. Trades count before mid quotes, and a bar that a vendor
-- gave before one made of shorter bars.
{% macro daily_bars(sessions, day='date') -%}
(
    select
        sessions.exchange,
        sessions.date,
        bars.instrument_id,
        bars.asset_class,
        bars.close,
        bars.ex_factor,
        bars.volume,
        bars.turnover,
        bars.open_interest,
        bars.known_at
    from {{ sessions }} as sessions
    inner join (
        {% for table in ('validated_bars', 'resampled_bars') -%}
        select
            exchange, date, instrument_id, asset_class, close, ex_factor, volume, turnover, open_interest,
            known_at, superseded_at, price_type, withdrawn, {{ loop.index }} as rank
        from {{ source('lake', table) }}
        where freq = '1d' and price_type in ('trade', 'mid')
            -- The session before lies at most a long holiday back.
            and {{ near_changes(before=0 if day == 'date' else 30) }}
        {{ 'union all' if not loop.last }}
        {% endfor -%}
    ) as bars
        on sessions.exchange = bars.exchange
        and sessions.{{ day }} = bars.date
        and not bars.withdrawn
        and {{ was_known('bars', 'sessions.next_open') }}
    qualify row_number() over (
        partition by sessions.exchange, sessions.date, bars.instrument_id
        order by bars.price_type = 'trade' desc, bars.rank
    ) = 1
)
{%- endmacro %}
