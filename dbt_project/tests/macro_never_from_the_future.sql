-- Fails on any row that was released after the session at which the mart shows it, be it by a microsecond.
select * from {{ ref('macro_as_known') }} where known_at > session_close
