select id, site, call_hour, load, changed from {{ source('till', 'calls') }}
