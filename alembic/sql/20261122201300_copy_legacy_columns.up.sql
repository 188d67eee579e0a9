-- Copies the key, avatar and voice that the old application keeps in businesses.heygen_*, where those columns exist.
-- Until the clean-up both applications use the same secrets: removing a key in one removes it in the other. Online,
-- each batch is a transaction of its own, so the revision may start over a part of the copies.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/legacy_settings.sql

-- What was copied, so that the clean-up finds what the old application has changed since. No foreign key: it would
-- lock businesses, and what is left of a deleted business matches nothing.
create table if not exists ai_avatar.legacy_copies (
    business_id uuid primary key,
    secret_id uuid,
    avatar_id text,
    voice_id text
);
comment on table ai_avatar.legacy_copies is 'The values of businesses.heygen_* when they were last copied';
revoke all on table ai_avatar.legacy_copies from public, anon, authenticated, service_role, ai_avatar_service;

do $migration$
begin
    if not pg_temp.has_legacy_columns() then
        return;
    end if;
    --! include shared/legacy_secrets.sql
end;
$migration$;

-- One statement for each 1,000 businesses, by id. (There is no min(uuid) before PostgreSQL 18.)
create or replace function pg_temp.copy_statements(p_online boolean)
returns setof text language plpgsql set search_path = pg_catalog, pg_temp as $migration$
begin
    if not pg_temp.has_legacy_columns() then
        return;
    end if;
    return query
    select format(
        'select pg_temp.copy_legacy_settings(%L::uuid, %L::uuid)', (array_agg(b.id order by b.id))[1],
        (array_agg(b.id order by b.id desc))[1]
    )
    from (
        select b.id, (row_number() over (order by b.id) - 1) / 1000 as batch from public.businesses as b
        where num_nonnulls(b.heygen_secret_id, b.heygen_avatar_id, b.heygen_voice_id) > 0
    ) as b
    group by b.batch
    order by b.batch;
end;
$migration$;

create or replace function pg_temp.copy_legacy_settings(p_first uuid, p_last uuid)
returns void language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $migration$
begin
    loop
        begin
            -- A business that is being deleted is left out, instead of waiting for it with locks on others.
            with locked as (
                select b.id, b.heygen_secret_id, b.heygen_avatar_id, b.heygen_voice_id from public.businesses as b
                where b.id between p_first and p_last
                for key share skip locked
            )

            insert into ai_avatar.legacy_copies as l (business_id, secret_id, avatar_id, voice_id)
            select b.id, b.heygen_secret_id, pg_temp.usable_id(b.heygen_avatar_id), pg_temp.usable_id(b.heygen_voice_id)
            from locked as b
            where num_nonnulls(
                b.heygen_secret_id, pg_temp.usable_id(b.heygen_avatar_id), pg_temp.usable_id(b.heygen_voice_id)
            ) > 0
            on conflict do nothing;

            -- An integration without a key is inactive. A row that the original plan's functions made keeps its values.
            insert into public.ai_avatar_integrations as ai (
                business_id, provider, secret_id, avatar_id, voice_id, status
            )
            select l.business_id, 'heygen', l.secret_id, l.avatar_id, l.voice_id,
                case when l.secret_id is null then 'inactive' else 'active' end
            from ai_avatar.legacy_copies as l
            where l.business_id between p_first and p_last
            on conflict on constraint unique_business_ai_avatar_provider do update set
                secret_id = coalesce(ai.secret_id, excluded.secret_id),
                avatar_id = coalesce(ai.avatar_id, excluded.avatar_id),
                voice_id = coalesce(ai.voice_id, excluded.voice_id),
                status = case when ai.secret_id is null then excluded.status else ai.status end;
            return;
        exception when foreign_key_violation then
            null;  -- a key was removed meanwhile: read again
        end;
    end loop;
end;
$migration$;
