-- One row a session and industry with a bar: its members' day, and what the issuers of those that have one had filed.
-- Bars are as known at the next open, members and figures as known at the close.
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

issued as (select * from links where relation = 'issued_by'),

classified as (select * from links where relation = 'in_industry'),

-- Industries of which some member has a bar: on the other sessions of an exchange, such as the twenty years of one
-- old series, there is no day to sum up.
days as (
    select distinct bars.exchange, bars.date, sessions.session_close, sessions.next_open, classified.parent as industry
    from bars
    inner join sessions using (exchange, date)
    inner join issued
        on bars.instrument_id = issued.child
        and {{ held('issued', 'bars.date', 'sessions.session_close') }}
    inner join classified
        on issued.parent = classified.child
        and {{ held('classified', 'bars.date', 'sessions.session_close') }}
),

members as (
    select distinct
        days.exchange,
        days.date,
        days.next_open,
        days.industry,
        issued.parent as entity_id,
        issued.child as instrument_id
    from days
    inner join classified
        on days.industry = classified.parent
        and {{ held('classified', 'days.date', 'days.session_close') }}
    inner join issued
        on classified.child = issued.parent
        and split_part(issued.child, ':', 1) = days.exchange
        and {{ held('issued', 'days.date', 'days.session_close') }}
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
