select id, seen_at, late, changed from {{ source('till', 'visits') }}
