-- One row a session and macro series: the newest value that was known at that session's close, and how old it was.
with sessions as {{ sessions_to_build() }},

releases as {{ news(source('lake', 'validated_macro'), 'series_id') }}

select
    sessions.exchange,
    sessions.date,
    sessions.session_close,
    releases.series_id,
    releases.unit,
    releases.value,
    releases.ts as period_end,
    releases.known_at,
    date_diff('day', releases.known_at, sessions.session_close) as days_since_release
from sessions
cross join (select distinct series_id from {{ source('lake', 'validated_macro') }}) as series
asof join releases
    on series.series_id = releases.series_id
    and sessions.session_close >= releases.known_at
order by sessions.exchange, sessions.date, releases.series_id
