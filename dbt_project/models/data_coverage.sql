-- One row an instrument, frequency, price type and month: what the lake holds, and what was held back.
{{ config(meta={'rows_by': 'month'}) }}

with bars as (
    select
        exchange,
        instrument_id,
        freq,
        price_type,
        date_trunc('month', date)::date as month,
        -- What holds today; a bar that its vendor took back does not.
        min(date) filter (where superseded_at is null and not withdrawn) as first_date,
        max(date) filter (where superseded_at is null and not withdrawn) as last_date,
        count(distinct date) filter (where superseded_at is null and not withdrawn) as sessions,
        count(*) filter (where superseded_at is null and not withdrawn) as bars,
        count(*) filter (where superseded_at is null and withdrawn) as bars_withdrawn,
        count(*) filter (where superseded_at is not null) as revisions,
        max(known_at) as last_known_at
    from {{ source('lake', 'validated_bars') }}
    {% if is_incremental() -%}
    -- A month reaches at most 30 days to either side of a changed session.
    where {{ near_changes(before=30, after=30) }}
        and (exchange, date_trunc('month', date)) in (
            select (exchange, date_trunc('month', date)) from {{ changed_sessions() }}
        )
    {%- endif %}
    group by all
),

-- Rows held back before alignment bear the vendor's symbol, later ones the instrument's id.
held_back as (
    select
        quarantine.exchange,
        coalesce(listings.instrument_id, quarantine.symbol) as instrument_id,
        date_trunc('month', quarantine.date)::date as month,
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
    bars.exchange,
    bars.instrument_id,
    bars.freq,
    bars.price_type,
    bars.month,
    bars.first_date,
    bars.last_date,
    bars.sessions,
    calendar.sessions as sessions_expected,
    bars.bars,
    bars.bars_withdrawn,
    bars.revisions,
    bars.last_known_at,
    coalesce(held_back.rows_quarantined, 0) as rows_quarantined
from bars
left join held_back using (exchange, instrument_id, month)
left join {{ source('lake', 'calendar') }} as calendar using (exchange, month)
order by bars.exchange, bars.instrument_id, bars.freq, bars.price_type, bars.month
