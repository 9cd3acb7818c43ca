-- One row a session, instrument with a bar of it, field and period: the newest figure of its issuer that was known
-- at the close, unless that figure is too old by then. Which instruments have a bar is as known at the next open.
with sessions as {{ sessions_to_build() }},

bars as {{ daily_bars('sessions') }},

facts as (
    select *, lead(known_at) over (partition by entity_id, field, period order by known_at) as replaced_at
    from {{ news(source('lake', 'validated_facts'), 'entity_id, field, period') }}
),

issuers as (
    select distinct
        bars.exchange,
        bars.date,
        sessions.session_close,
        links.child as instrument_id,
        links.parent as entity_id
    from bars
    inner join sessions using (exchange, date)
    inner join {{ source('lake', 'entity_links') }} as links
        on links.relation = 'issued_by'
        and bars.instrument_id = links.child
        and {{ held('links', 'bars.date', 'sessions.session_close') }}
)

-- Each figure is joined to the sessions that it is the newest in. Nothing is made of what is wanted but not there:
-- sessions x issuers x figures of twenty years do not fit on a disk.
select
    issuers.exchange,
    issuers.date,
    issuers.session_close,
    issuers.instrument_id,
    issuers.entity_id,
    facts.field,
    facts.period,
    facts.value,
    facts.unit,
    facts.ts as period_end,
    facts.form,
    facts.source,
    facts.known_at,
    date_diff('day', facts.known_at, issuers.session_close) as days_known,
    date_diff('day', facts.ts, issuers.session_close) as days_since_period_end
from issuers
inner join facts
    on issuers.entity_id = facts.entity_id
    and issuers.session_close >= facts.known_at
    and issuers.session_close < coalesce(facts.replaced_at, 'infinity')
    -- A figure that is too old hides the older ones all the same: they are older still.
    and issuers.session_close <= facts.ts + interval {{ var('figures_expire_after_days') }} day
order by issuers.exchange, issuers.date, issuers.instrument_id, facts.field, facts.period
