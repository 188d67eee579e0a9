-- Copies the key, avatar and voice that the old application keeps in businesses.heygen_*, where those columns exist.
-- Until the clean-up both applications use the same secrets: removing a key in one removes it in the other.

set local lock_timeout = '10s';
set local search_path = pg_catalog, pg_temp;

-- What was copied, so that the clean-up finds what the old application has changed since.
create table ai_avatar.legacy_copies (
    business_id uuid primary key references public.businesses (id) on delete cascade,
    secret_id uuid,
    avatar_id text,
    voice_id text
);
comment on table ai_avatar.legacy_copies is 'The values of businesses.heygen_* when they were last copied';
revoke all on table ai_avatar.legacy_copies from public, anon, authenticated, service_role, ai_avatar_service;

do $migration$
begin
    if (
        select count(*) from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.businesses'::regclass and not a.attisdropped
            and a.attname in ('heygen_secret_id', 'heygen_avatar_id', 'heygen_voice_id')
    ) <> 3 then
        return;
    end if;

    -- The old application's forms save '' for "none".
    insert into ai_avatar.legacy_copies (business_id, secret_id, avatar_id, voice_id)
    select b.id, b.heygen_secret_id, nullif(btrim(b.heygen_avatar_id), ''), nullif(btrim(b.heygen_voice_id), '')
    from public.businesses as b
    where num_nonnulls(
        b.heygen_secret_id, nullif(btrim(b.heygen_avatar_id), ''), nullif(btrim(b.heygen_voice_id), '')
    ) > 0;

    -- An integration without a key is inactive. A row that the original plan's functions made keeps its values.
    insert into public.ai_avatar_integrations as ai (business_id, provider, secret_id, avatar_id, voice_id, status)
    select l.business_id, 'heygen', l.secret_id, l.avatar_id, l.voice_id,
        case when l.secret_id is null then 'inactive' else 'active' end
    from ai_avatar.legacy_copies as l
    on conflict on constraint unique_business_ai_avatar_provider do update set
        secret_id = coalesce(ai.secret_id, excluded.secret_id),
        avatar_id = coalesce(ai.avatar_id, excluded.avatar_id),
        voice_id = coalesce(ai.voice_id, excluded.voice_id),
        status = case when ai.secret_id is null then excluded.status else ai.status end;

    --! include shared/legacy_secrets.sql
end;
$migration$;
