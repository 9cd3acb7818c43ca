-- Fails on any row that was known after the moment at which the mart shows it, be it by a microsecond.
{% test never_from_the_future(model, moment) %}
select * from {{ model }} where known_at > {{ moment }}
{% endtest %}
