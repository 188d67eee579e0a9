-- What the old application keeps in businesses.heygen_*, where those columns exist, in a form that an integration may
-- have. Temporary functions, because only the migrations call them.

create or replace function pg_temp.has_legacy_columns()
returns boolean language sql set search_path = pg_catalog, pg_temp as $$
    select count(*) = 3 from pg_catalog.pg_attribute as a
    where a.attrelid = 'public.businesses'::regclass and not a.attisdropped
        and a.attname in ('heygen_secret_id', 'heygen_avatar_id', 'heygen_voice_id')
$$;

-- The old forms save '' for "none", and accept ids that no provider has and normalise_integration refuses. Without a
-- search_path of its own, so that it is inlined: it is called for each business.
create or replace function pg_temp.usable_id(p_id text)
returns text language sql immutable as $$
    select case
        when char_length(btrim(p_id)) between 1 and 255 and btrim(p_id) !~ '[\u0001-\u001f\u007f-\u009f]'
            then btrim(p_id)
    end
$$;
