-- The original plan's table and its four functions, with the flaws mended that docs/decisions/0002 lists, and the
-- functions in ai_avatar that the service itself calls. Where the original plan's SQL has run, its table is taken
-- over and its functions replaced.

set local lock_timeout = '10s';
set local search_path = '';

-- What is about to be replaced, kept as statements for the way back.
insert into ai_avatar.saved_definitions (revision, statement)
select '20261122201100', statement
from (
    select p.oid, 1 as step, pg_get_functiondef(p.oid) as statement
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
        and p.proname in (
            'get_ai_avatar_integration', 'get_ai_avatar_secret', 'set_ai_avatar_integration',
            'delete_ai_avatar_integration', 'update_ai_avatar_integrations_updated_at'
        )
    union all
    select p.oid, 2, format(
        'revoke all on function %s from public, anon, authenticated, service_role', p.oid::regprocedure
    )
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
        and p.proname in (
            'get_ai_avatar_integration', 'get_ai_avatar_secret', 'set_ai_avatar_integration',
            'delete_ai_avatar_integration', 'update_ai_avatar_integrations_updated_at'
        )
    union all
    select p.oid, 3, format(
        'grant execute on function %s to %s', p.oid::regprocedure,
        case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
    )
    from pg_catalog.pg_proc as p,
        aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
    where p.pronamespace = 'public'::regnamespace
        and p.proname in (
            'get_ai_avatar_integration', 'get_ai_avatar_secret', 'set_ai_avatar_integration',
            'delete_ai_avatar_integration', 'update_ai_avatar_integrations_updated_at'
        )
    union all
    select p.oid, 4, format('comment on function %s is %L', p.oid::regprocedure, obj_description(p.oid, 'pg_proc'))
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
        and obj_description(p.oid, 'pg_proc') is not null
        and p.proname in (
            'get_ai_avatar_integration', 'get_ai_avatar_secret', 'set_ai_avatar_integration',
            'delete_ai_avatar_integration', 'update_ai_avatar_integrations_updated_at'
        )
    union all
    select c.oid, 5, format(
        'grant %s on table public.ai_avatar_integrations to %s', acl.privilege_type,
        case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
    )
    from pg_catalog.pg_class as c, aclexplode(c.relacl) as acl
    where c.oid = to_regclass('public.ai_avatar_integrations')
    union all
    select a.attrelid, 6, format(
        'grant %s (%I) on table public.ai_avatar_integrations to %s', acl.privilege_type, a.attname,
        case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
    )
    from pg_catalog.pg_attribute as a, aclexplode(a.attacl) as acl
    where a.attrelid = to_regclass('public.ai_avatar_integrations') and not a.attisdropped
    union all
    select c.oid, 7, 'alter table public.ai_avatar_integrations disable row level security'
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('public.ai_avatar_integrations') and not c.relrowsecurity
) as found
order by step, oid;

drop function if exists public.get_ai_avatar_integration(uuid);
drop function if exists public.get_ai_avatar_secret(uuid);
drop function if exists public.delete_ai_avatar_integration(uuid);

do $$
begin
    if to_regclass('public.ai_avatar_integrations') is null then
        insert into ai_avatar.created_objects (kind, object) values ('table', 'public.ai_avatar_integrations');
    end if;
end;
$$;

create table if not exists public.ai_avatar_integrations (
    id uuid primary key default gen_random_uuid(),
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now(),
    business_id uuid not null references public.businesses (id) on delete cascade,
    provider text not null check (provider in ('heygen')),
    secret_id uuid references vault.secrets (id),
    avatar_id text,
    voice_id text,
    provider_config jsonb default '{}',
    status text default 'active' check (status in ('active', 'inactive', 'error')),
    validated_at timestamp with time zone,
    last_synced_at timestamp with time zone,
    constraint unique_business_ai_avatar_provider unique (business_id, provider)
);

comment on table public.ai_avatar_integrations is
'AI avatar video generation service integrations (HeyGen, future providers)';
comment on column public.ai_avatar_integrations.business_id is 'Reference to the business that owns this integration';
comment on column public.ai_avatar_integrations.provider is 'AI avatar service provider (heygen)';
comment on column public.ai_avatar_integrations.secret_id is 'Reference to encrypted API key in vault.secrets';
comment on column public.ai_avatar_integrations.avatar_id is 'Provider-specific avatar identifier';
comment on column public.ai_avatar_integrations.voice_id is 'Provider-specific voice identifier';
comment on column public.ai_avatar_integrations.provider_config is 'Additional provider-specific configuration';
comment on column public.ai_avatar_integrations.status is 'Integration status (active, inactive, error)';

create index if not exists idx_ai_avatar_integrations_business_id on public.ai_avatar_integrations (business_id);
create index if not exists idx_ai_avatar_integrations_provider on public.ai_avatar_integrations (provider);
create index if not exists idx_ai_avatar_integrations_status on public.ai_avatar_integrations (status);
-- Deleting a secret looks for rows that refer to it: without this, by reading the whole table.
create index if not exists idx_ai_avatar_integrations_secret_id on public.ai_avatar_integrations (secret_id);
create index if not exists idx_ai_avatar_integrations_page
on public.ai_avatar_integrations (created_at desc, id desc);

create or replace function public.update_ai_avatar_integrations_updated_at()
returns trigger language plpgsql set search_path = '' as $$
begin
    new.updated_at = now();
    return new;
end;
$$;
drop trigger if exists ai_avatar_integrations_updated_at on public.ai_avatar_integrations;
-- Without the trigger, updated_at stays what it was.
update public.ai_avatar_integrations as ai
set avatar_id = nullif(btrim(ai.avatar_id), ''), voice_id = nullif(btrim(ai.voice_id), ''),
    created_at = coalesce(ai.created_at, ai.updated_at, now()), updated_at = coalesce(ai.updated_at, now())
where ai.created_at is null or ai.updated_at is null or btrim(ai.avatar_id) = '' or btrim(ai.voice_id) = '';
create trigger ai_avatar_integrations_updated_at before update on public.ai_avatar_integrations
for each row execute function public.update_ai_avatar_integrations_updated_at();

-- What the columns' types allow and the service cannot use, whoever writes it: the original frontend sends '' for
-- "none", anything may be in a jsonb, and pages are sorted by created_at. An exception, not a CHECK: the DETAIL of a
-- violated CHECK prints the row.
create function ai_avatar.normalise_integration()
returns trigger language plpgsql set search_path = '' as $$
begin
    if jsonb_typeof(new.provider_config) <> 'object' or octet_length(new.provider_config::text) > 32768 then
        raise exception 'provider_config should be a JSON object of at most 32 KiB' using errcode = 'AV014';
    end if;
    new.avatar_id := nullif(btrim(new.avatar_id), '');
    new.voice_id := nullif(btrim(new.voice_id), '');
    new.created_at := coalesce(new.created_at, now());
    return new;
end;
$$;
create trigger ai_avatar_integrations_normalised
before insert or update of provider_config, avatar_id, voice_id, created_at on public.ai_avatar_integrations
for each row execute function ai_avatar.normalise_integration();

-- No path leaves a secret behind -------------------------------------------------------------------------------

create function ai_avatar.delete_orphaned_secret()
returns trigger language plpgsql security definer set search_path = '' as $$
begin
    delete from vault.secrets as s
    where s.id = old.secret_id
        and not exists (select from public.ai_avatar_integrations as ai where ai.secret_id = s.id);
    return null;
end;
$$;
create trigger ai_avatar_integrations_secret_deleted after delete on public.ai_avatar_integrations
for each row when (old.secret_id is not null) execute function ai_avatar.delete_orphaned_secret();
create trigger ai_avatar_integrations_secret_replaced after update of secret_id on public.ai_avatar_integrations
for each row when (old.secret_id is distinct from new.secret_id and old.secret_id is not null)
execute function ai_avatar.delete_orphaned_secret();

-- TRUNCATE fires no row trigger: turn it into the DELETE that does.
create function ai_avatar.delete_before_truncate()
returns trigger language plpgsql security definer set search_path = '' as $$
begin
    delete from public.ai_avatar_integrations;
    return null;
end;
$$;
create trigger ai_avatar_integrations_truncated before truncate on public.ai_avatar_integrations
for each statement execute function ai_avatar.delete_before_truncate();

-- Who calls ----------------------------------------------------------------------------------------------------

create function ai_avatar.own_business_id()
returns uuid language plpgsql stable security definer set search_path = '' as $$
declare
    v_business_id uuid;
begin
    select p.business_id into v_business_id from public.profiles as p where p.id = auth.uid();
    return v_business_id;
exception when invalid_text_representation then
    return null;  -- a `sub` that is no UUID belongs to no profile
end;
$$;
comment on function ai_avatar.own_business_id() is
'The business of the signed-in caller (profiles.business_id of auth.uid()), or NULL';

create function ai_avatar.check_caller(p_business_id uuid)
returns void language plpgsql stable set search_path = '' as $$
begin
    -- `role` is what PostgREST switched to, also inside a definer function; on a direct login it is 'none'. Claims
    -- are not asked: anybody who can run SQL can set them.
    if not has_schema_privilege(
        case current_setting('role') when 'none' then session_user else current_setting('role')::name end,
        'ai_avatar', 'usage'
    ) and (p_business_id = ai_avatar.own_business_id()) is not true then
        raise exception 'Not your business' using errcode = '42501';
    end if;
end;
$$;
comment on function ai_avatar.check_caller(uuid) is
'Raises 42501 unless the caller may use the schema ai_avatar or is signed in as a user of that business';

-- The life of an integration -----------------------------------------------------------------------------------

create function ai_avatar.providers()
returns text[] language sql immutable set search_path = '' as $$
    select array['heygen']
$$;
comment on function ai_avatar.providers() is 'The providers that the CHECK on ai_avatar_integrations allows';

create function ai_avatar.vault_encrypts()
returns boolean language sql stable set search_path = '' as $$
    select exists (select from pg_catalog.pg_extension as e where e.extname = 'supabase_vault')
$$;
comment on function ai_avatar.vault_encrypts() is
'Whether the vault is Supabase''s own extension; the stand-in encrypts nothing';

create view ai_avatar.integrations as
select
    ai.id,
    ai.business_id,
    ai.provider,
    ai.avatar_id,
    ai.voice_id,
    -- A table that was taken over may hold others.
    case when jsonb_typeof(ai.provider_config) = 'object' then ai.provider_config else '{}' end as provider_config,
    coalesce(ai.status, 'inactive') as status,
    ai.secret_id is not null as has_api_key,
    ai.validated_at,
    ai.last_synced_at,
    ai.created_at,
    ai.updated_at
from public.ai_avatar_integrations as ai;
comment on view ai_avatar.integrations is 'An integration as the service shows it: never its key';

create function ai_avatar.get_integration(p_business_id uuid, p_provider text)
returns setof ai_avatar.integrations language plpgsql stable security definer set search_path = '' as $$
begin
    return query
    select i.* from ai_avatar.integrations as i
    where i.business_id = p_business_id and i.provider = p_provider;
end;
$$;

create function ai_avatar.list_integrations(
    p_business_id uuid, p_provider text, p_status text,
    p_before_created_at timestamptz, p_before_id uuid, p_limit integer
)
returns setof ai_avatar.integrations language plpgsql stable security definer set search_path = '' as $$
begin
    -- Two queries: one plan that serves both would walk every business's rows to find one's.
    if p_business_id is not null then
        return query
        select i.* from ai_avatar.integrations as i
        where i.business_id = p_business_id
            and (p_provider is null or i.provider = p_provider)
            and (p_status is null or i.status = p_status)
            and (p_before_id is null or (i.created_at, i.id) < (p_before_created_at, p_before_id))
        order by i.created_at desc, i.id desc
        limit p_limit;
    else
        return query
        select i.* from ai_avatar.integrations as i
        where (p_provider is null or i.provider = p_provider)
            and (p_status is null or i.status = p_status)
            and (p_before_id is null or (i.created_at, i.id) < (p_before_created_at, p_before_id))
        order by i.created_at desc, i.id desc
        limit p_limit;
    end if;
end;
$$;

create function ai_avatar.store_secret(p_integration_id uuid, p_secret text)
returns void language plpgsql set search_path = '' as $$
declare
    v_integration public.ai_avatar_integrations;
    v_secret_id uuid;
    v_name text;
begin
    select ai.* into v_integration from public.ai_avatar_integrations as ai where ai.id = p_integration_id;
    v_secret_id := v_integration.secret_id;
    if v_secret_id is null then
        v_name := format('ai_avatar_%s_key_for_business_%s', v_integration.provider, v_integration.business_id);
        -- A secret of this name may be left from a delete that knew nothing of the vault: adopt it.
        select s.id into v_secret_id from vault.secrets as s where s.name = v_name;
        if v_secret_id is null then
            -- Supabase's create_secret writes what it gets in the clear before it encrypts it; update_secret does
            -- not. So a placeholder goes first, which looks sealed because the stand-in refuses anything else.
            v_secret_id := vault.create_secret('sealed:v1:none:placeholder', v_name, 'AI avatar provider API key');
        end if;
        update public.ai_avatar_integrations as ai set secret_id = v_secret_id where ai.id = p_integration_id;
    end if;
    perform vault.update_secret(v_secret_id, p_secret);
end;
$$;
comment on function ai_avatar.store_secret(uuid, text) is
'Puts a key into the vault for an integration whose row the caller holds locked';

-- The row first, the vault second: the row's lock decides which of two first saves makes the secret.
create function ai_avatar.set_integration(
    p_id uuid, p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text,
    p_config jsonb, p_validated boolean
)
returns setof ai_avatar.integrations language plpgsql security definer set search_path = '' as $$
declare
    v_id uuid;
begin
    if p_provider is null or p_provider <> all (ai_avatar.providers()) then
        raise exception 'Invalid AI avatar provider: %', p_provider using errcode = '22023';
    end if;
    if coalesce(p_api_key, '') = '' then
        raise exception 'An API key is required' using errcode = '22023';
    end if;
    if not exists (select from public.businesses as b where b.id = p_business_id) then
        raise exception 'No such business' using errcode = 'AV013';
    end if;

    insert into public.ai_avatar_integrations as ai (
        id, business_id, provider, avatar_id, voice_id, provider_config, status, validated_at
    ) values (
        p_id, p_business_id, p_provider, p_avatar_id, p_voice_id, coalesce(p_config, '{}'), 'active',
        case when p_validated then now() end
    )
    on conflict on constraint unique_business_ai_avatar_provider do update set
        avatar_id = coalesce(excluded.avatar_id, ai.avatar_id),
        voice_id = coalesce(excluded.voice_id, ai.voice_id),
        provider_config = coalesce(p_config, ai.provider_config),
        status = 'active',
        validated_at = excluded.validated_at
    returning ai.id into v_id;
    perform ai_avatar.store_secret(v_id, p_api_key);
    return query select i.* from ai_avatar.integrations as i where i.id = v_id;
end;
$$;
comment on function ai_avatar.set_integration(uuid, uuid, text, text, text, text, jsonb, boolean) is
'Makes or replaces the integration of a business with a provider; NULL keeps. The row has p_id if it is new';

create function ai_avatar.update_integration(
    p_business_id uuid, p_provider text, p_changes jsonb, p_api_key text, p_validated boolean
)
returns setof ai_avatar.integrations language plpgsql security definer set search_path = '' as $$
declare
    v_id uuid;
begin
    update public.ai_avatar_integrations as ai
    set avatar_id = case when p_changes ? 'avatar_id' then p_changes ->> 'avatar_id' else ai.avatar_id end,
        voice_id = case when p_changes ? 'voice_id' then p_changes ->> 'voice_id' else ai.voice_id end,
        provider_config = case
            when p_changes ? 'provider_config' then coalesce(nullif(p_changes -> 'provider_config', 'null'), '{}')
            else ai.provider_config
        end,
        -- A key that was just found good mends an integration in `error`; `inactive` is the owner's own wish.
        status = coalesce(
            p_changes ->> 'status', case when p_validated and ai.status = 'error' then 'active' end, ai.status
        ),
        validated_at = case
            when p_validated then now()
            when p_api_key is not null then null
            else ai.validated_at
        end
    where ai.business_id = p_business_id and ai.provider = p_provider
    returning ai.id into v_id;
    if not found then
        raise exception 'No such integration' using errcode = 'AV001';
    end if;

    if p_api_key is not null then
        perform ai_avatar.store_secret(v_id, p_api_key);
    end if;
    return query select i.* from ai_avatar.integrations as i where i.id = v_id;
end;
$$;
comment on function ai_avatar.update_integration(uuid, text, jsonb, text, boolean) is
'Changes the fields that p_changes names; AV001 when there is no such integration';

create function ai_avatar.delete_integrations(p_business_id uuid, p_provider text)
returns integer language plpgsql security definer set search_path = '' as $$
declare
    v_deleted integer;
begin
    delete from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id and (p_provider is null or ai.provider = p_provider);
    get diagnostics v_deleted = row_count;
    return v_deleted;
end;
$$;
comment on function ai_avatar.delete_integrations(uuid, text) is
'Deletes one integration, or all of the business; their secrets go by trigger. Returns how many';

-- Reading keys -------------------------------------------------------------------------------------------------

create table ai_avatar.secret_reads (
    id bigint generated always as identity primary key,
    read_at timestamptz not null default now(),
    business_id uuid not null,
    provider text not null,
    caller text not null,
    purpose text not null,
    generation_id uuid,
    request_id text,
    address text
);
comment on table ai_avatar.secret_reads is
'Every hand-out of a provider key: when, whose, to whom, for which generation';
create index secret_reads_read_at on ai_avatar.secret_reads (read_at);
create index secret_reads_business_id on ai_avatar.secret_reads (business_id, read_at);

create function ai_avatar.read_secret(
    p_business_id uuid, p_provider text, p_caller text, p_purpose text, p_request_id text, p_address text
)
returns table (secret text, secret_updated_at timestamptz)
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
begin
    return query
    select s.decrypted_secret::text, s.updated_at
    from public.ai_avatar_integrations as ai
    join vault.decrypted_secrets as s on s.id = ai.secret_id
    where ai.business_id = p_business_id and ai.provider = p_provider;
    if found then
        insert into ai_avatar.secret_reads (business_id, provider, caller, purpose, request_id, address)
        values (p_business_id, p_provider, p_caller, p_purpose, p_request_id, p_address);
    end if;
end;
$$;
comment on function ai_avatar.read_secret(uuid, text, text, text, text, text) is
'The stored key of an integration, whatever its status, for the service''s own calls to the provider; recorded';

create function ai_avatar.record_key_check(
    p_business_id uuid, p_provider text, p_secret_updated_at timestamptz, p_accepted boolean
)
returns setof ai_avatar.integrations language plpgsql security definer set search_path = '' as $$
begin
    -- Only while the key is the one that was asked about: a verdict on an older key says nothing of this one.
    update public.ai_avatar_integrations as ai
    set status = case
            when ai.status = 'inactive' then ai.status
            when p_accepted then 'active'
            else 'error'
        end,
        validated_at = case when p_accepted then now() else ai.validated_at end
    from vault.secrets as s
    where ai.business_id = p_business_id and ai.provider = p_provider
        and s.id = ai.secret_id and s.updated_at = p_secret_updated_at;
    return query
    select i.* from ai_avatar.integrations as i
    where i.business_id = p_business_id and i.provider = p_provider;
end;
$$;
comment on function ai_avatar.record_key_check(uuid, text, timestamptz, boolean) is
'What the provider said of the stored key: active or error, and validated_at; leaves inactive as it is';

create function ai_avatar.record_sync(p_business_id uuid, p_provider text)
returns void language plpgsql security definer set search_path = '' as $$
begin
    update public.ai_avatar_integrations as ai set last_synced_at = now()
    where ai.business_id = p_business_id and ai.provider = p_provider;
end;
$$;
comment on function ai_avatar.record_sync(uuid, text) is 'The provider''s catalogue was read through the stored key';

create function ai_avatar.purge_secret_reads(p_older_than interval, p_limit integer)
returns integer language plpgsql security definer set search_path = '' as $$
declare
    v_deleted integer;
begin
    delete from ai_avatar.secret_reads as r
    where r.id in (
        select old.id from ai_avatar.secret_reads as old
        where old.read_at < now() - p_older_than
        order by old.read_at
        limit p_limit
        for update skip locked
    );
    get diagnostics v_deleted = row_count;
    return v_deleted;
end;
$$;

-- Sealing anew: a page of the stored keys, and one of them replaced unless it has changed meanwhile.
create function ai_avatar.list_secrets(p_after uuid, p_limit integer)
returns table (secret_id uuid, business_id uuid, provider text, secret text)
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_column
begin
    return query
    select ai.secret_id, ai.business_id, ai.provider, s.decrypted_secret::text
    from public.ai_avatar_integrations as ai
    join vault.decrypted_secrets as s on s.id = ai.secret_id
    where p_after is null or ai.secret_id > p_after
    order by ai.secret_id
    limit p_limit;
end;
$$;

create function ai_avatar.count_secrets()
returns bigint language plpgsql stable security definer set search_path = '' as $$
begin
    return (select count(*) from public.ai_avatar_integrations as ai where ai.secret_id is not null);
end;
$$;

create function ai_avatar.replace_secret(p_secret_id uuid, p_old_secret text, p_new_secret text)
returns boolean language plpgsql security definer set search_path = '' as $$
begin
    -- The row's lock keeps a save of a new key out while old and new are compared.
    perform from public.ai_avatar_integrations as ai where ai.secret_id = p_secret_id for update;
    perform from vault.decrypted_secrets as s where s.id = p_secret_id and s.decrypted_secret = p_old_secret;
    if not found then
        return false;
    end if;
    perform vault.update_secret(p_secret_id, p_new_secret);
    return true;
end;
$$;
comment on function ai_avatar.replace_secret(uuid, text, text) is
'Compare-and-set of a stored key; false when it is no longer the old one';

-- Who a user works for, and what the database is ---------------------------------------------------------------

create function ai_avatar.get_membership(p_user_id uuid)
returns uuid language plpgsql stable security definer set search_path = '' as $$
begin
    return (select p.business_id from public.profiles as p where p.id = p_user_id);
end;
$$;
comment on function ai_avatar.get_membership(uuid) is 'The business of a user (profiles.business_id), or NULL';

create function ai_avatar.schema_revision()
returns text language plpgsql stable security definer set search_path = '' as $$
begin
    return (select max(v.version_num) from ai_avatar.alembic_version as v);
end;
$$;

create function ai_avatar.migration_warnings()
returns setof text language plpgsql stable security definer set search_path = '' as $$
declare
    v_table pg_catalog.pg_class;
    v_verb text;
begin
    select c.* into v_table from pg_catalog.pg_class as c where c.oid = to_regclass('public.profiles');
    foreach v_verb in array array['UPDATE', 'INSERT'] loop
        continue when not has_column_privilege('authenticated', v_table.oid, 'business_id', v_verb);
        continue when v_table.relrowsecurity and not exists (
            select from pg_catalog.pg_policy as p
            where p.polrelid = v_table.oid and p.polpermissive
                and p.polcmd in ('*', case v_verb when 'UPDATE' then 'w' else 'a' end)
                and p.polroles && array[0::oid, to_regrole('authenticated')::oid]
        );
        return next format(
            'Signed-in users may %s profiles.business_id: the boundary between tenants is theirs to move. '
            'See docs/deploy-supabase.md.', v_verb
        );
    end loop;
end;
$$;
comment on function ai_avatar.migration_warnings() is 'What about this database endangers the tenants, in sentences';

-- The original plan's functions --------------------------------------------------------------------------------

create function public.get_ai_avatar_integration(p_business_id uuid, p_provider text default null)
returns table (
    id uuid, provider text, avatar_id text, voice_id text, provider_config jsonb, status text,
    validated_at timestamp with time zone
)
language plpgsql stable security definer set search_path = '' as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    return query
    select ai.id, ai.provider, ai.avatar_id, ai.voice_id, ai.provider_config, ai.status, ai.validated_at
    from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id
        and ai.status = 'active'
        and (p_provider is null or ai.provider = p_provider)
    order by ai.created_at, ai.id
    limit 1;
end;
$$;

create function public.get_ai_avatar_secret(p_business_id uuid, p_provider text default null)
returns text language plpgsql security definer set search_path = '' as $$
declare
    v_provider text;
    v_secret text;
begin
    perform ai_avatar.check_caller(p_business_id);
    select ai.provider, s.decrypted_secret into v_provider, v_secret
    from public.ai_avatar_integrations as ai
    join vault.decrypted_secrets as s on s.id = ai.secret_id
    where ai.business_id = p_business_id
        and ai.status = 'active'
        and (p_provider is null or ai.provider = p_provider)
    order by ai.created_at, ai.id
    limit 1;
    if found then
        insert into ai_avatar.secret_reads (business_id, provider, caller, purpose)
        values (
            p_business_id, v_provider,
            'sql:' || case current_setting('role') when 'none' then session_user else current_setting('role') end,
            'get_ai_avatar_secret'
        );
    end if;
    return v_secret;
end;
$$;
comment on function public.get_ai_avatar_secret(uuid, text) is
'The stored key, sealed if the service stored it; for service_role and the service''s login alone; recorded';

create or replace function public.set_ai_avatar_integration(
    p_business_id uuid,
    p_provider text,
    p_api_key text,
    p_avatar_id text default null,
    p_voice_id text default null,
    p_config jsonb default null
)
returns uuid language plpgsql security definer set search_path = '' as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    return (
        select i.id from ai_avatar.set_integration(
            gen_random_uuid(), p_business_id, p_provider, p_api_key, p_avatar_id, p_voice_id, p_config, true
        ) as i
    );
end;
$$;

create function public.delete_ai_avatar_integration(p_business_id uuid, p_provider text default null)
returns void language plpgsql security definer set search_path = '' as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    perform ai_avatar.delete_integrations(p_business_id, p_provider);
end;
$$;

-- Who may what: the same with and without Supabase's default privileges ----------------------------------------

revoke all on table public.ai_avatar_integrations from public, anon, authenticated, service_role;
grant select (
    id, created_at, updated_at, business_id, provider, avatar_id, voice_id, provider_config, status, validated_at,
    last_synced_at
) on public.ai_avatar_integrations to authenticated;
-- updated_at because the original frontend sends it; the trigger overwrites it.
grant update (avatar_id, voice_id, provider_config, updated_at) on public.ai_avatar_integrations to authenticated;
grant select, insert, update, delete on public.ai_avatar_integrations to service_role;

alter table public.ai_avatar_integrations enable row level security;
create policy ai_avatar_integrations_select_own on public.ai_avatar_integrations
for select to authenticated using (business_id = (select ai_avatar.own_business_id()));
create policy ai_avatar_integrations_update_own on public.ai_avatar_integrations
for update to authenticated using (business_id = (select ai_avatar.own_business_id()))
with check (business_id = (select ai_avatar.own_business_id()));
-- A table that was taken over may have policies of its own. Permissive ones add up; this one bounds them all.
create policy ai_avatar_integrations_own_only on public.ai_avatar_integrations as restrictive
for all to authenticated using (business_id = (select ai_avatar.own_business_id()));
-- A login that was granted service_role does not inherit its BYPASSRLS.
create policy ai_avatar_integrations_service_role on public.ai_avatar_integrations
for all to service_role using (true) with check (true);

revoke all on function
public.get_ai_avatar_integration(uuid, text),
public.get_ai_avatar_secret(uuid, text),
public.set_ai_avatar_integration(uuid, text, text, text, text, jsonb),
public.delete_ai_avatar_integration(uuid, text),
public.update_ai_avatar_integrations_updated_at()
from public, anon, authenticated, service_role;
grant execute on function
public.get_ai_avatar_integration(uuid, text),
public.set_ai_avatar_integration(uuid, text, text, text, text, jsonb),
public.delete_ai_avatar_integration(uuid, text)
to authenticated, service_role, ai_avatar_service;
grant execute on function public.get_ai_avatar_secret(uuid, text) to service_role, ai_avatar_service;

revoke all on all tables in schema ai_avatar from public, anon, authenticated, service_role, ai_avatar_service;
revoke all on all sequences in schema ai_avatar from public, anon, authenticated, service_role, ai_avatar_service;
revoke all on all functions in schema ai_avatar from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function ai_avatar.own_business_id() to authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.vault_encrypts(),
ai_avatar.get_integration(uuid, text),
ai_avatar.list_integrations(uuid, text, text, timestamptz, uuid, integer),
ai_avatar.set_integration(uuid, uuid, text, text, text, text, jsonb, boolean),
ai_avatar.update_integration(uuid, text, jsonb, text, boolean),
ai_avatar.delete_integrations(uuid, text),
ai_avatar.read_secret(uuid, text, text, text, text, text),
ai_avatar.record_key_check(uuid, text, timestamptz, boolean),
ai_avatar.record_sync(uuid, text),
ai_avatar.purge_secret_reads(interval, integer),
ai_avatar.list_secrets(uuid, integer),
ai_avatar.count_secrets(),
ai_avatar.replace_secret(uuid, text, text),
ai_avatar.get_membership(uuid),
ai_avatar.schema_revision(),
ai_avatar.migration_warnings()
to service_role, ai_avatar_service;
grant select on table ai_avatar.secret_reads to service_role;
