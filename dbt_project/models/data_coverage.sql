-- One row an instrument, frequency and price type: what the lake holds of it, and what was held back.
with bars as (
    select
        exchange,
        instrument_id,
        freq,
        price_type,
        min(date) as first_date,
        max(date) as last_date,
        count(distinct date) as sessions,
        count(distinct ts) as bars,
        count(*) - count(distinct ts) as revisions,
        max(known_at) as last_known_at
    from {{ source('lake', 'validated_bars') }}
    group by all
),

-- Rows held back before alignment bear the vendor's symbol, later ones the instrument's id.
held_back as (
    select
        quarantine.exchange,
        coalesce(listings.instrument_id, quarantine.symbol) as instrument_id,
        count(*) as rows_quarantined
    from {{ source('lake', 'quarantine') }} as quarantine
    left join {{ source('lake', 'listings') }} as listings
        on listings.exchange = quarantine.exchange
        and listings.source = quarantine.source
        and listings.symbol = quarantine.symbol
        and quarantine.date between coalesce(listings.first, quarantine.date)
        and coalesce(listings.last, quarantine.date)
    group by all
)

select
    bars.*,
    coalesce(held_back.rows_quarantined, 0) as rows_quarantined
from bars
left join held_back using (exchange, instrument_id)
order by bars.exchange, bars.instrument_id, bars.freq, bars.price_type
