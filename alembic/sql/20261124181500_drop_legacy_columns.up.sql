-- The clean-up, for when the old application is switched off: copies what it has changed since the first copy, then
-- drops its columns and functions. Readiness does not require this revision.

set local lock_timeout = '10s';
set local search_path = pg_catalog, pg_temp;

--! include shared/saved_definitions.sql

select pg_temp.save_functions('20261124181500', array[
    to_regprocedure('public.set_heygen_key(uuid, text)')::oid,
    to_regprocedure('public.delete_heygen_key(uuid)')::oid,
    to_regprocedure('public.get_heygen_secret(uuid)')::oid
]);

do $migration$
begin
    if (
        select count(*) from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.businesses'::regclass and not a.attisdropped
            and a.attname in ('heygen_secret_id', 'heygen_avatar_id', 'heygen_voice_id')
    ) <> 3 then
        return;
    end if;
    lock table public.businesses in share row exclusive mode;

    -- Field by field: a value that the old application has changed since the copy wins, unless it was changed here
    -- too. Its forms save '' for "none".
    create temporary table legacy_settings on commit drop as
    select b.id as business_id, b.heygen_secret_id as secret_id, nullif(btrim(b.heygen_avatar_id), '') as avatar_id,
        nullif(btrim(b.heygen_voice_id), '') as voice_id
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
        '20261124181500',
        'alter table public.businesses add column heygen_secret_id uuid references vault.secrets (id), '
        'add column heygen_avatar_id text, add column heygen_voice_id text'
    );
    alter table public.businesses
    drop column heygen_secret_id, drop column heygen_avatar_id, drop column heygen_voice_id;
    delete from vault.secrets as s where s.id in (select d.id from pg_temp.dropped_secrets as d);

    alter table public.ai_avatar_integrations
    drop constraint ai_avatar_integrations_secret_id_fkey,
    add constraint ai_avatar_integrations_secret_id_fkey foreign key (secret_id) references vault.secrets (id);
end;
$migration$;

--! include functions/orphaned_secrets.sql

delete from ai_avatar.legacy_copies;
drop function if exists public.set_heygen_key(uuid, text);
drop function if exists public.delete_heygen_key(uuid);
drop function if exists public.get_heygen_secret(uuid);
