-- One row a session and pair of neighbours on a futures curve: the far price less the near one.
with sessions as {{ sessions_to_build() }},

curve as (select * from {{ ref('futures_curve') }} semi join sessions using (exchange, date))

select
    near.exchange,
    near.date,
    near.root,
    near.position,
    near.instrument_id as near_contract,
    far.instrument_id as far_contract,
    near.price as near_price,
    far.price as far_price,
    far.price - near.price as spread,
    near.years_to_next as years_between,
    near.roll_yield,
    near.next_open,
    greatest(near.known_at, far.known_at) as known_at
from curve as near
inner join curve as far
    on near.exchange = far.exchange
    and near.date = far.date
    and near.root = far.root
    and near.position + 1 = far.position
order by near.exchange, near.date, near.root, near.position
