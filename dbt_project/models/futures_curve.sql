-- One row a session and contract: its place on the curve of its root, and the roll yield to the next contract.
with sessions as {{ sessions_to_build() }},

bars as {{ daily_bars('sessions') }},

-- A contract that two vendors list is one.
contracts as (
    select
        instrument_id,
        min(root) as root,
        min(expiry) as expiry,
        coalesce(
            try_strptime(regexp_extract(instrument_id, '\.([0-9]{6})$', 1), '%Y%m')::date,
            date_trunc('month', min(expiry))::date
        ) as contract_month
    from {{ source('lake', 'listings') }}
    where root is not null
    group by instrument_id
),

curve as (
    select
        bars.exchange,
        bars.date,
        contracts.root,
        bars.instrument_id,
        contracts.contract_month,
        contracts.expiry,
        bars.close as price,
        bars.volume,
        bars.open_interest,
        bars.known_at,
        sessions.next_open,
        row_number() over nearest_first as position,
        lead(bars.instrument_id) over nearest_first as next_instrument_id,
        lead(bars.close) over nearest_first as next_price,
        lead(bars.known_at) over nearest_first as next_known_at,
        -- Both expiries where they are known, else the months; never one of each.
        coalesce(
            lead(contracts.expiry) over nearest_first - contracts.expiry,
            lead(contracts.contract_month) over nearest_first - contracts.contract_month
        ) / 365.25 as years_to_next
    from bars
    inner join sessions using (exchange, date)
    inner join contracts
        on bars.instrument_id = contracts.instrument_id
        and contracts.contract_month is not null
    window nearest_first as (
        partition by bars.exchange, bars.date, contracts.root
        order by contracts.contract_month, contracts.expiry, bars.instrument_id
    )
)

select
    exchange,
    date,
    root,
    instrument_id,
    position,
    contract_month,
    expiry,
    price,
    volume,
    open_interest,
    next_instrument_id,
    years_to_next,
    case when price > 0 and next_price > 0 and years_to_next > 0 then ln(price / next_price) / years_to_next end
        as roll_yield,
    next_open,
    greatest(known_at, next_known_at) as known_at
from curve
order by exchange, date, root, position
