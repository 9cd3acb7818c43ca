-- One row a session, instrument, field and period: the newest figure of its issuer that was known at the close.
with sessions as {{ sessions_to_build() }},

facts as {{ news(source('lake', 'validated_facts'), 'entity_id, field, period') }},

issuers as (
    select distinct
        sessions.exchange,
        sessions.date,
        sessions.session_close,
        links.child as instrument_id,
        links.parent as entity_id
    from sessions
    inner join {{ source('lake', 'entity_links') }} as links
        on links.relation = 'issued_by'
        and split_part(links.child, ':', 1) = sessions.exchange
        and {{ held('links', 'sessions.date', 'sessions.session_close') }}
),

wanted as (
    select issuers.*, figures.field, figures.period
    from issuers
    inner join (select distinct entity_id, field, period from facts) as figures using (entity_id)
)

select
    wanted.exchange,
    wanted.date,
    wanted.session_close,
    wanted.instrument_id,
    wanted.entity_id,
    wanted.field,
    wanted.period,
    facts.value,
    facts.unit,
    facts.ts as period_end,
    facts.form,
    facts.source,
    facts.known_at,
    date_diff('day', facts.known_at, wanted.session_close) as days_known,
    date_diff('day', facts.ts, wanted.session_close) as days_since_period_end
from wanted
asof join facts
    on wanted.entity_id = facts.entity_id
    and wanted.field = facts.field
    and wanted.period = facts.period
    and wanted.session_close >= facts.known_at
order by wanted.exchange, wanted.date, wanted.instrument_id, wanted.field, wanted.period
