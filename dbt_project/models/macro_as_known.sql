-- One row a session and macro series: the value that was known at that session's close, and how old it was.
with sessions as (
    select exchange, date, max(ts) as session_close
    from {{ source('lake', 'validated_bars') }}
    where freq = '1d'
    group by all
),

-- A later revision of an older period must not hide a newer period: walk in publication order and keep the newest period.
facts as (
    select
        series_id,
        unit,
        known_at,
        max(ts) over releases as period_end,
        arg_max(value, (ts, known_at)) over releases as value
    from {{ source('lake', 'validated_macro') }}
    window releases as (partition by series_id order by known_at, ts rows unbounded preceding)
),

releases as (
    select series_id, unit, known_at, max(period_end) as period_end, arg_max(value, period_end) as value
    from facts
    group by all
)

select
    sessions.exchange,
    sessions.date,
    sessions.session_close,
    releases.series_id,
    releases.unit,
    releases.value,
    releases.period_end,
    releases.known_at,
    date_diff('day', releases.known_at, sessions.session_close) as days_since_release
from sessions
cross join (select distinct series_id from {{ source('lake', 'validated_macro') }}) as series
asof join releases
    on releases.series_id = series.series_id
    and sessions.session_close >= releases.known_at
order by sessions.exchange, sessions.date, releases.series_id
