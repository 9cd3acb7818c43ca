-- One row a session and industry: its members' day, and what their issuers had filed. Bars are as known at
-- the next open, members and figures as known at the close.
with sessions as {{ sessions_to_build() }},

bars as {{ daily_bars('sessions') }},

bars_before as {{ daily_bars('sessions', day='previous') }},

returns as (
    select
        bars.exchange,
        bars.date,
        bars.instrument_id,
        bars.close / nullif(bars_before.close * bars.ex_factor, 0) - 1 as day_return,
        coalesce(bars.turnover, bars.close * bars.volume) as turnover,
        bars.volume,
        greatest(bars.known_at, bars_before.known_at) as known_at
    from bars
    left join bars_before using (exchange, date, instrument_id)
),

links as (select * from {{ source('lake', 'entity_links') }}),

members as (
    select distinct
        sessions.exchange,
        sessions.date,
        sessions.next_open,
        industries.parent as industry,
        issuers.parent as entity_id,
        issuers.child as instrument_id
    from sessions
    inner join links as issuers
        on issuers.relation = 'issued_by'
        and split_part(issuers.child, ':', 1) = sessions.exchange
        and {{ held('issuers', 'sessions.date', 'sessions.session_close') }}
    inner join links as industries
        on industries.relation = 'in_industry'
        and issuers.parent = industries.child
        and {{ held('industries', 'sessions.date', 'sessions.session_close') }}
),

-- An issuer with two share classes has its figures twice.
figures as (
    select
        known.exchange,
        known.date,
        known.entity_id,
        max(known.value) filter (where known.field = 'revenues' and known.period = 'FY') as revenues,
        max(known.value) filter (where known.field = 'net_income' and known.period = 'FY') as net_income,
        max(known.value) filter (where known.field = 'assets' and known.period = 'instant') as assets,
        max(known.value) filter (where known.field = 'equity' and known.period = 'instant') as equity,
        max(known.known_at) as known_at
    from {{ ref('fundamentals_as_of') }} as known
    semi join sessions using (exchange, date)
    where known.unit = 'USD' and known.field in ('revenues', 'net_income', 'assets', 'equity')
    group by all
),

of_issuers as (
    select
        members.exchange,
        members.date,
        members.industry,
        count(*) as issuers_with_figures,
        sum(figures.revenues) as revenues_usd,
        sum(figures.net_income) as net_income_usd,
        sum(figures.assets) as assets_usd,
        sum(figures.equity) as equity_usd,
        max(figures.known_at) as known_at
    from (select distinct exchange, date, industry, entity_id from members) as members
    inner join figures using (exchange, date, entity_id)
    group by all
),

of_instruments as (
    select
        members.exchange,
        members.date,
        members.next_open,
        members.industry,
        count(*) as members,
        count(returns.instrument_id) as members_traded,
        count(returns.day_return) as members_with_return,
        avg(returns.day_return) as mean_return,
        median(returns.day_return) as median_return,
        sum(returns.turnover) as turnover,
        sum(returns.volume) as volume,
        max(returns.known_at) as known_at
    from members
    left join returns using (exchange, date, instrument_id)
    group by all
)

select
    of_instruments.exchange,
    of_instruments.date,
    of_instruments.industry,
    of_instruments.next_open,
    of_instruments.members,
    of_instruments.members_traded,
    of_instruments.members_with_return,
    of_instruments.mean_return,
    of_instruments.median_return,
    of_instruments.turnover,
    of_instruments.volume,
    coalesce(of_issuers.issuers_with_figures, 0) as issuers_with_figures,
    of_issuers.revenues_usd,
    of_issuers.net_income_usd,
    of_issuers.assets_usd,
    of_issuers.equity_usd,
    greatest(of_instruments.known_at, of_issuers.known_at) as known_at
from of_instruments
left join of_issuers using (exchange, date, industry)
order by of_instruments.exchange, of_instruments.date, of_instruments.industry
