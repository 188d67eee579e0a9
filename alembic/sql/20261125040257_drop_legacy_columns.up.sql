-- The clean-up, for when the old application is switched off: copies what it has changed since the first copy, then
-- drops its columns and functions. Readiness does not require this revision.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/saved_definitions.sql
--! include shared/lock_tables.sql
--! include shared/legacy_settings.sql

select pg_temp.save_functions('20261125040257', array[
    to_regprocedure('public.set_heygen_key(uuid, text)')::oid,
    to_regprocedure('public.delete_heygen_key(uuid)')::oid,
    to_regprocedure('public.get_heygen_secret(uuid)')::oid
]);

do $migration$
begin
    if not pg_temp.has_legacy_columns() then
        return;
    end if;
    -- All three at once: a save of a key holds its integration's row and waits for the vault.
    perform pg_temp.lock_tables(
        'access exclusive', 'public.businesses', 'public.ai_avatar_integrations', 'vault.secrets'
    );

    -- Field by field: a value that the old application has changed since the copy wins, unless it was changed here
    -- too.
    create temporary table legacy_settings on commit drop as
    select b.id as business_id, b.heygen_secret_id as secret_id, pg_temp.usable_id(b.heygen_avatar_id) as avatar_id,
        pg_temp.usable_id(b.heygen_voice_id) as voice_id
    from public.businesses as b;

    insert into public.ai_avatar_integrations as ai (business_id, provider, secret_id, avatar_id, voice_id, status)
    select b.business_id, 'heygen', b.secret_id, b.avatar_id, b.voice_id,
        case when b.secret_id is null then 'inactive' else 'active' end
    from pg_temp.legacy_settings as b
    left join ai_avatar.legacy_copies as l on l.business_id = b.business_id
    where (b.secret_id, b.avatar_id, b.voice_id) is distinct from (l.secret_id, l.avatar_id, l.voice_id)
        -- An integration that was deleted here stays deleted, unless the old application has a key again.
        and (l.business_id is null or b.secret_id is not null)
    on conflict on constraint unique_business_ai_avatar_provider do nothing;

    update public.ai_avatar_integrations as ai
    set secret_id = case
            when b.secret_id is distinct from l.secret_id and ai.secret_id is not distinct from l.secret_id
                then b.secret_id
            else coalesce(ai.secret_id, b.secret_id)
        end,
        avatar_id = case
            when b.avatar_id is distinct from l.avatar_id and ai.avatar_id is not distinct from l.avatar_id
                then b.avatar_id
            else ai.avatar_id
        end,
        voice_id = case
            when b.voice_id is distinct from l.voice_id and ai.voice_id is not distinct from l.voice_id
                then b.voice_id
            else ai.voice_id
        end,
        status = case
            when ai.secret_id is null and b.secret_id is not null then 'active'
            else ai.status
        end
    from pg_temp.legacy_settings as b
    left join ai_avatar.legacy_copies as l on l.business_id = b.business_id
    where ai.business_id = b.business_id and ai.provider = 'heygen'
        and (b.secret_id, b.avatar_id, b.voice_id) is distinct from (l.secret_id, l.avatar_id, l.voice_id);

    -- The old application has removed the key, and none has been saved here since.
    update public.ai_avatar_integrations as ai set status = 'inactive'
    where ai.secret_id is null and ai.status = 'active'
        and ai.business_id in (select l.business_id from ai_avatar.legacy_copies as l);

    -- Secrets that only the old column refers to would be left behind.
    create temporary table dropped_secrets on commit drop as
    select b.heygen_secret_id as id from public.businesses as b
    where b.heygen_secret_id is not null
        and not exists (
            select from public.ai_avatar_integrations as ai where ai.secret_id = b.heygen_secret_id
        );

    insert into ai_avatar.saved_definitions (revision, statement) values
    (
        '20261125040257',
        'alter table public.businesses add column heygen_secret_id uuid references vault.secrets (id), '
        'add column heygen_avatar_id text, add column heygen_voice_id text'
    );
    delete from ai_avatar.created_objects as m where m.object = 'public.ai_avatar_legacy_secret_id';
    alter table public.businesses
    drop column heygen_secret_id, drop column heygen_avatar_id, drop column heygen_voice_id;
    delete from vault.secrets as s where s.id in (select d.id from pg_temp.dropped_secrets as d);
end;
$migration$;

--! include functions/orphaned_secrets.sql

delete from ai_avatar.legacy_copies;
drop function if exists public.set_heygen_key(uuid, text);
drop function if exists public.delete_heygen_key(uuid);
drop function if exists public.get_heygen_secret(uuid);
