-- One row an instrument and frequency: what the lake holds of it, and what was held back.
with bars as (
    select
        exchange,
        instrument_id,
        freq,
        min(date) as first_date,
        max(date) as last_date,
        count(distinct date) as sessions,
        count(distinct ts) as bars,
        count(*) - count(distinct ts) as revisions,
        max(known_at) as last_known_at
    from {{ source('lake', 'validated_bars') }}
    group by all
),

held_back as (
    select exchange, symbol, count(*) as rows_quarantined
    from {{ source('lake', 'quarantine') }}
    group by all
)

select
    bars.*,
    coalesce(held_back.rows_quarantined, 0) as rows_quarantined
from bars
left join held_back
    on held_back.exchange = bars.exchange
    and held_back.symbol in (bars.instrument_id, split_part(bars.instrument_id, ':', 2))
order by bars.exchange, bars.instrument_id, bars.freq
