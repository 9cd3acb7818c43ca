-- One row a session, index and member: who was in the index, as known at the session's close.
with sessions as {{ sessions_to_build() }},

members as (
    select
        sessions.exchange,
        sessions.date,
        sessions.session_close,
        stays.index_id,
        stays.symbol,
        stays.first as member_since,
        stays.source,
        stays.known_at
    from sessions
    inner join {{ source('lake', 'index_members') }} as stays
        on split_part(stays.index_id, ':', 1) = sessions.exchange
        and {{ held('stays', 'sessions.date', 'sessions.session_close') }}
    -- Two sources, or two stays that overlap, make one member.
    qualify row_number() over (
        partition by sessions.exchange, sessions.date, stays.index_id, stays.symbol
        order by stays.first desc, stays.known_at, stays.source
    ) = 1
),

-- A ticker may mean several instruments; members are shares, and a ticker that still means two means none here.
meanings as (
    select members.date, members.index_id, members.symbol, min(listings.instrument_id) as instrument_id
    from members
    inner join {{ source('lake', 'listings') }} as listings
        on members.symbol = listings.symbol
        and listings.asset_class = 'equity'
        and members.date between listings.first and coalesce(listings.last, members.date)
    group by all
    having count(distinct listings.instrument_id) = 1
)

select members.*, meanings.instrument_id
from members
left join meanings using (date, index_id, symbol)
order by members.exchange, members.date, members.index_id, members.symbol
