-- The copied integrations stay. What let both applications use the same secrets is undone.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/legacy_settings.sql
--! include shared/lock_tables.sql

select pg_temp.lock_tables(
    'share row exclusive', 'public.businesses', 'public.ai_avatar_integrations', 'vault.secrets'
);

--! include functions/orphaned_secrets.sql

-- Values that were saved or changed here since the copy go back to the old application's columns, unless it has changed
-- them too. A table that was taken over keeps its own values.
do $$
begin
    if not pg_temp.has_legacy_columns() or not exists (
        select from ai_avatar.created_objects as m where m.object = 'public.ai_avatar_integrations'
    ) then
        return;
    end if;
    update public.businesses as b
    set heygen_secret_id = coalesce(b.heygen_secret_id, ai.secret_id),
        heygen_avatar_id = case
            when pg_temp.usable_id(b.heygen_avatar_id) is not distinct from l.avatar_id
                and ai.avatar_id is distinct from l.avatar_id then ai.avatar_id
            else b.heygen_avatar_id
        end,
        heygen_voice_id = case
            when pg_temp.usable_id(b.heygen_voice_id) is not distinct from l.voice_id
                and ai.voice_id is distinct from l.voice_id then ai.voice_id
            else b.heygen_voice_id
        end
    from public.ai_avatar_integrations as ai
    left join ai_avatar.legacy_copies as l on l.business_id = ai.business_id
    where ai.business_id = b.id and ai.provider = 'heygen';
end;
$$;

drop table ai_avatar.legacy_copies;
