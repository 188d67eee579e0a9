"""A database like a Supabase project's: an owner who is no superuser, default privileges, a vault of another role.

Roles and grants are those of real projects.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support import postgres
from support.roles import as_login, make_roles

# Plays Supabase's role `postgres`: the owner of the project's tables, who runs the migrations.
OWNER = "tests_project_owner"
_VAULT_OWNER = "tests_vault_owner"
_AUTH_OWNER = "tests_auth_owner"


@dataclass(frozen=True)
class Project:
    """A database and two ways into it."""

    superuser_url: str
    owner_url: str

    def url(self, login: str) -> str:
        """The way in of another login."""
        return as_login(self.superuser_url, login)


@contextmanager
def supabase_project(server: postgres.Server) -> Iterator[Project]:
    """A project with the application's tables, on which nothing of ours has run."""
    make_roles(server)
    with postgres.lock("roles"):
        server.run(_ROLES)
    with server.database() as name:
        server.run(f"alter database {name} owner to {OWNER}")
        server.run(_SUPABASE, name)
        server.run(_APPLICATION, name)
        yield Project(server.url(name), server.url(name, OWNER))


_ROLES = f"""
do $$
declare
    v_role text[];
begin
    foreach v_role slice 1 in array array[
        ['{OWNER}', 'login createdb createrole in role anon, authenticated'],
        ['{_VAULT_OWNER}', 'nologin'],
        ['{_AUTH_OWNER}', 'nologin']
    ] loop
        if not exists (select from pg_roles where rolname = v_role[1]) then
            execute format('create role %I %s', v_role[1], v_role[2]);
        end if;
    end loop;
    -- Another database's migration may have made this role first: its maker may admit members from 16 on, and
    -- before 16 any role that may create roles.
    if current_setting('server_version_num')::integer >= 160000 and not exists (
        select from pg_auth_members
        where roleid = 'ai_avatar_service'::regrole and member = '{OWNER}'::regrole
    ) then
        execute 'grant ai_avatar_service to {OWNER} with admin true, inherit false, set false';
    end if;
end;
$$;
"""

_SUPABASE = f"""
create schema auth authorization {_AUTH_OWNER};
grant usage on schema auth to anon, authenticated, service_role, {OWNER};
grant usage on schema public to anon, authenticated, service_role;

set role {_AUTH_OWNER};
create function auth.uid() returns uuid language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;
create function auth.role() returns text language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$;
create function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
reset role;

alter default privileges for role {OWNER} in schema public
grant all on tables to anon, authenticated, service_role;
alter default privileges for role {OWNER} in schema public
grant all on functions to anon, authenticated, service_role;
alter default privileges for role {OWNER} in schema public
grant all on sequences to anon, authenticated, service_role;

-- Not Supabase's own, but seen in projects: the same for schemas that are still to come.
alter default privileges for role {OWNER} grant all on tables to anon, authenticated, service_role;
alter default privileges for role {OWNER} grant all on functions to anon, authenticated, service_role;
alter default privileges for role {OWNER} grant all on sequences to anon, authenticated, service_role;

-- Plays the extension supabase_vault, which takes plain text. What a heap page would keep is kept in tests.heap.
create schema tests authorization {_VAULT_OWNER};
create schema vault authorization {_VAULT_OWNER};
set role {_VAULT_OWNER};
create table tests.heap (secret text);
create table vault.secrets (
    id uuid primary key default gen_random_uuid(),
    name text,
    description text not null default '',
    secret text not null,
    key_id uuid default gen_random_uuid(),
    nonce bytea default '\\x00',
    created_at timestamptz not null default current_timestamp,
    updated_at timestamptz not null default current_timestamp
);
create unique index secrets_name_idx on vault.secrets (name) where name is not null;

create function tests.keep_row_version() returns trigger language plpgsql security definer as $$
begin
    insert into tests.heap values (new.secret);
    return null;
end;
$$;
create trigger keep_row_version after insert or update on vault.secrets
for each row execute function tests.keep_row_version();

create function tests.encrypt(p_text text) returns text language sql immutable as $$
    select 'encrypted:' || encode(convert_to(p_text, 'utf8'), 'base64')
$$;
create function tests.decrypt(p_text text) returns text language sql immutable as $$
    select convert_from(decode(substr(p_text, 11), 'base64'), 'utf8')
$$;

create view vault.decrypted_secrets as
select s.id, s.name, s.description, s.secret, tests.decrypt(s.secret) as decrypted_secret, s.key_id, s.nonce,
    s.created_at, s.updated_at
from vault.secrets as s;

create function vault.create_secret(
    new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null
) returns uuid language plpgsql security definer set search_path = '' as $$
declare
    v_id uuid;
begin
    insert into vault.secrets (secret, name, description) values (new_secret, new_name, new_description)
    returning id into v_id;
    update vault.secrets set secret = tests.encrypt(new_secret) where id = v_id;
    return v_id;
end;
$$;

create function vault.update_secret(
    secret_id uuid, new_secret text default null, new_name text default null, new_description text default null,
    new_key_id uuid default null
) returns void language plpgsql security definer set search_path = '' as $$
begin
    update vault.secrets as s
    set secret = coalesce(tests.encrypt(new_secret), s.secret),
        name = coalesce(new_name, s.name),
        description = coalesce(new_description, s.description),
        updated_at = clock_timestamp()
    where s.id = secret_id;
end;
$$;

revoke all on all functions in schema vault from public;
grant usage on schema vault, tests to {OWNER}, service_role;
grant select, delete, references on vault.secrets to {OWNER};
grant select, delete on vault.decrypted_secrets to {OWNER};
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on all functions in schema vault to {OWNER}, service_role;
reset role;
"""

# More columns than the service knows of, rules of its own, and RLS as Supabase's advisors want it.
_APPLICATION = f"""
set role {OWNER};
create table public.businesses (
    id uuid primary key default gen_random_uuid(),
    business_name text not null,
    slug text unique,
    plan text default 'free' check (plan in ('free', 'pro')),
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create table public.profiles (
    id uuid primary key,
    business_id uuid references public.businesses (id) on delete set null,
    first_name text,
    last_name text,
    is_admin boolean default false,
    avatar_url text,
    created_at timestamptz default now()
);
create table public.content (
    id uuid primary key default gen_random_uuid(),
    business_id uuid references public.businesses (id) on delete cascade,
    content_title varchar(200),
    video_script text,
    status text default 'draft',
    keywords text[] default '{{}}',
    heygen_status text,
    heygen_video_id text,
    heygen_url text,
    error_message text,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create function public.touch_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at = now();
    return new;
end;
$$;
create trigger touch_updated_at before update on public.content
for each row execute function public.touch_updated_at();

alter table public.businesses enable row level security;
alter table public.profiles enable row level security;
alter table public.content enable row level security;
create policy "Users can see their own profile" on public.profiles
for select to authenticated using (id = auth.uid());
create policy "Members can see their business" on public.businesses
for select to authenticated
using (id in (select p.business_id from public.profiles as p where p.id = auth.uid()));
create policy "Members can use their content" on public.content
for all to authenticated
using (business_id in (select p.business_id from public.profiles as p where p.id = auth.uid()));
reset role;
"""
