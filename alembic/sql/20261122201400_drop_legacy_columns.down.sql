-- Columns, values and functions come back, where there were any; the values are today's.

set local lock_timeout = '10s';
set local search_path = '';
set local check_function_bodies = off;  -- those that come back were written for another search_path

do $migration$
declare
    v_statement text;
begin
    for v_statement in
        select r.statement from ai_avatar.saved_definitions as r
        where r.revision = '20261122201400'
        order by r.position
    loop
        execute v_statement;
    end loop;
    delete from ai_avatar.saved_definitions as r where r.revision = '20261122201400';

    if not exists (
        select from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.businesses'::regclass and a.attname = 'heygen_secret_id' and not a.attisdropped
    ) then
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

    alter table public.ai_avatar_integrations
    drop constraint ai_avatar_integrations_secret_id_fkey,
    add constraint ai_avatar_integrations_secret_id_fkey
    foreign key (secret_id) references vault.secrets (id) on delete set null;
    create index ai_avatar_legacy_secret_id on public.businesses (heygen_secret_id);
    create or replace function ai_avatar.delete_orphaned_secret()
    returns trigger language plpgsql security definer set search_path = '' as $$
    begin
        update public.businesses as b set heygen_secret_id = null
        where b.id = old.business_id and b.heygen_secret_id = old.secret_id;
        delete from vault.secrets as s
        where s.id = old.secret_id
            and not exists (select from public.ai_avatar_integrations as ai where ai.secret_id = s.id)
            and not exists (select from public.businesses as b where b.heygen_secret_id = s.id);
        return null;
    end;
    $$;
end;
$migration$;
