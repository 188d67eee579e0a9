-- What the service requires: Supabase's roles, auth.*, a vault, and the application's own tables. Each is created only
-- where it is missing, and recorded, so that the downgrade drops it and nothing else.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

-- Roles belong to the whole cluster: another database's migration may create one at the same time.
do $$
declare
    v_role text;
begin
    foreach v_role in array array['anon', 'authenticated', 'service_role', 'ai_avatar_service'] loop
        continue when exists (select from pg_catalog.pg_roles where rolname = v_role);
        begin
            execute format('create role %I nologin noinherit', v_role);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end;
$$;

create table ai_avatar.created_objects (
    position bigint generated always as identity primary key,
    kind text not null check (kind in ('schema', 'function', 'table', 'view', 'column', 'index')),
    object text not null unique
);
comment on table ai_avatar.created_objects is
'Objects that the migrations created because they were missing, in order; the downgrade drops only these';

create table ai_avatar.saved_definitions (
    position bigint generated always as identity primary key,
    revision text not null,
    statement text not null
);
comment on table ai_avatar.saved_definitions is
'Definitions that a revision replaced or dropped, as the statements that restore them';

revoke all on schema ai_avatar from public, anon, authenticated;
revoke all on table ai_avatar.alembic_version, ai_avatar.created_objects, ai_avatar.saved_definitions
from public, anon, authenticated, service_role;
grant usage on schema ai_avatar to service_role, ai_avatar_service;

-- auth.uid(), auth.role(), auth.jwt(): the signed-in caller, as Supabase's PostgREST passes it.
do $migration$
begin
    if to_regnamespace('auth') is null then
        create schema auth;
        grant usage on schema auth to anon, authenticated, service_role;
        insert into ai_avatar.created_objects (kind, object) values ('schema', 'auth');
    end if;

    if to_regprocedure('auth.uid()') is null then
        create function auth.uid() returns uuid language sql stable set search_path = pg_catalog, pg_temp as $$
            select coalesce(
                nullif(current_setting('request.jwt.claim.sub', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
            )::uuid
        $$;
        insert into ai_avatar.created_objects (kind, object) values ('function', 'auth.uid()');
    end if;

    if to_regprocedure('auth.role()') is null then
        create function auth.role() returns text language sql stable set search_path = pg_catalog, pg_temp as $$
            select coalesce(
                nullif(current_setting('request.jwt.claim.role', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
            )
        $$;
        insert into ai_avatar.created_objects (kind, object) values ('function', 'auth.role()');
    end if;

    if to_regprocedure('auth.jwt()') is null then
        create function auth.jwt() returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
            select coalesce(
                nullif(current_setting('request.jwt.claim', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')
            )::jsonb
        $$;
        insert into ai_avatar.created_objects (kind, object) values ('function', 'auth.jwt()');
    end if;
end;
$migration$;

--! include parts/vault.sql

-- The service writes statuses that an enum of another application does not have.
do $migration$
declare
    v_type regtype;
begin
    select t.oid::regtype into v_type
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_type as base on base.oid = t.typbasetype
    where a.attrelid = to_regclass('public.content') and a.attname = 'heygen_status' and not a.attisdropped
        and 'e' in (t.typtype, base.typtype);
    if found then
        raise exception 'public.content.heygen_status has the enum type %, which lacks statuses that the service writes. '
            'Change it, then migrate again: '
            'alter table public.content alter column heygen_status type text using heygen_status::text;', v_type;
    end if;
end;
$migration$;

-- The application's own tables. A Supabase project has them already, with more columns.
do $migration$
declare
    v_column record;
begin
    if to_regclass('public.businesses') is null then
        create table public.businesses (
            id uuid primary key default gen_random_uuid(),
            business_name text not null,
            created_at timestamptz default now(),
            updated_at timestamptz default now()
        );
        insert into ai_avatar.created_objects (kind, object) values ('table', 'public.businesses');
    end if;

    if to_regclass('public.profiles') is null then
        create table public.profiles (
            id uuid primary key,
            business_id uuid references public.businesses (id) on delete set null,
            first_name text,
            last_name text,
            is_admin boolean default false,
            created_at timestamptz default now()
        );
        create index idx_profiles_business_id on public.profiles (business_id);
        insert into ai_avatar.created_objects (kind, object) values ('table', 'public.profiles');
    end if;

    if to_regclass('public.content') is null then
        create table public.content (
            id uuid primary key default gen_random_uuid(),
            business_id uuid not null references public.businesses (id) on delete cascade,
            content_title text,
            video_script text,
            status text,
            heygen_status text,
            heygen_video_id text,
            heygen_url text,
            error_message text,
            created_at timestamptz default now(),
            updated_at timestamptz default now()
        );
        create index idx_content_business_id
        on public.content (business_id, coalesce(created_at, to_timestamp(0)) desc, id desc);
        insert into ai_avatar.created_objects (kind, object) values ('table', 'public.content');
    else
        for v_column in
            select wanted.name, row_number() over () as number
            from unnest(array[
                'content_title', 'video_script', 'heygen_status', 'heygen_video_id', 'heygen_url', 'error_message'
            ]) as wanted (name)
            where not exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = to_regclass('public.content') and a.attname = wanted.name and not a.attisdropped
            )
        loop
            if v_column.number = 1 then
                perform pg_temp.lock_tables('access exclusive', 'public.content');
            end if;
            execute format('alter table public.content add column %I text', v_column.name);
            insert into ai_avatar.created_objects (kind, object)
            values ('column', format('public.content.%I', v_column.name));
        end loop;
    end if;

    -- Only tables created here: the default privileges of a Supabase project grant new tables to the browser's roles.
    for v_column in
        select m.object as name from ai_avatar.created_objects as m
        where m.kind = 'table' and m.object like 'public.%'
    loop
        execute format('alter table %s enable row level security', v_column.name);
        execute format('revoke all on table %s from public, anon, authenticated, service_role', v_column.name);
        execute format('grant select, insert, update, delete on table %s to service_role', v_column.name);
        execute format(
            'create policy service_role_all on %s for all to service_role using (true) with check (true)',
            v_column.name
        );
    end loop;
end;
$migration$;
