-- Fails on an instrument that the mart shows more than once at one frequency and price type.
select exchange, instrument_id, freq, price_type, count(*) as times
from {{ ref('data_coverage') }}
group by all
having count(*) > 1
