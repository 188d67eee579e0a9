-- The copied integrations stay. What let both applications use the same secrets is undone.

set local lock_timeout = '10s';
set local search_path = pg_catalog, pg_temp;

alter table public.ai_avatar_integrations
drop constraint ai_avatar_integrations_secret_id_fkey,
add constraint ai_avatar_integrations_secret_id_fkey foreign key (secret_id) references vault.secrets (id);

drop index if exists public.ai_avatar_legacy_secret_id;

--! include functions/orphaned_secrets.sql

-- Values that were saved or changed here since the copy go back to the old application's columns, unless it has changed
-- them too. A table that was taken over keeps its own values.
do $$
begin
    if not exists (
        select from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.businesses'::regclass and a.attname = 'heygen_secret_id' and not a.attisdropped
    ) or not exists (
        select from ai_avatar.created_objects as m where m.object = 'public.ai_avatar_integrations'
    ) then
        return;
    end if;
    update public.businesses as b
    set heygen_secret_id = coalesce(b.heygen_secret_id, ai.secret_id),
        heygen_avatar_id = case
            when nullif(btrim(b.heygen_avatar_id), '') is not distinct from l.avatar_id then ai.avatar_id
            else b.heygen_avatar_id
        end,
        heygen_voice_id = case
            when nullif(btrim(b.heygen_voice_id), '') is not distinct from l.voice_id then ai.voice_id
            else b.heygen_voice_id
        end
    from public.ai_avatar_integrations as ai
    left join ai_avatar.legacy_copies as l on l.business_id = ai.business_id
    where ai.business_id = b.id and ai.provider = 'heygen';
end;
$$;

drop table ai_avatar.legacy_copies;
