-- Restores the columns and functions where they existed, with the current values.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off;  -- the restored functions were written for another search_path

--! include shared/saved_definitions.sql
--! include shared/legacy_settings.sql
--! include shared/lock_tables.sql

select pg_temp.lock_tables(
    'access exclusive', 'public.businesses', 'public.ai_avatar_integrations', 'vault.secrets'
);

select pg_temp.restore_definitions('20261125040257');

do $migration$
begin
    if not pg_temp.has_legacy_columns() then
        return;
    end if;

    update public.businesses as b
    set heygen_secret_id = ai.secret_id, heygen_avatar_id = ai.avatar_id, heygen_voice_id = ai.voice_id
    from public.ai_avatar_integrations as ai
    where ai.business_id = b.id and ai.provider = 'heygen';
    insert into ai_avatar.legacy_copies (business_id, secret_id, avatar_id, voice_id)
    select b.id, b.heygen_secret_id, b.heygen_avatar_id, b.heygen_voice_id
    from public.businesses as b
    where num_nonnulls(b.heygen_secret_id, b.heygen_avatar_id, b.heygen_voice_id) > 0;

    create index ai_avatar_legacy_secret_id on public.businesses (heygen_secret_id);
    insert into ai_avatar.created_objects (kind, object) values ('index', 'public.ai_avatar_legacy_secret_id');

    --! include shared/legacy_secrets.sql
end;
$migration$;
