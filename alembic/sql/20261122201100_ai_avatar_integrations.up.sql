-- The original plan's table and four functions, without the flaws that docs/decisions/0002 lists, and the service's own
-- functions in ai_avatar. Where the original plan's SQL has run, its table is kept and its functions are replaced.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/saved_definitions.sql
--! include shared/lock_tables.sql

--! include parts/integrations_saved.sql

-- Every overload: beside the original functions, the added arguments would make the plan's own calls ambiguous.
do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid from pg_catalog.pg_proc as p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in (
                'get_ai_avatar_integration', 'get_ai_avatar_secret', 'set_ai_avatar_integration',
                'delete_ai_avatar_integration'
            )
    loop
        execute format('drop function %s', v_function);
    end loop;
    if to_regclass('public.ai_avatar_integrations') is null then
        insert into ai_avatar.created_objects (kind, object) values ('table', 'public.ai_avatar_integrations');
    end if;
end;
$$;

create table if not exists public.ai_avatar_integrations (
    id uuid primary key default gen_random_uuid(),
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now(),
    business_id uuid not null,
    provider text not null check (provider in ('heygen')),
    secret_id uuid,
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

-- What the plan's table has no columns for. A trigger keeps one row for each integration: with a foreign key,
-- TRUNCATE of the plan's table would fail.
create table ai_avatar.integration_details (
    integration_id uuid primary key,
    api_key_last4 text,
    api_key_set_at timestamptz,
    secret_updated_at timestamptz,
    sealing_key_id text,
    avatar jsonb,
    voice jsonb,
    next_key_check_at timestamptz,
    key_rejected_at timestamptz
);
comment on table ai_avatar.integration_details is
'What is shown with an integration beyond the original plan''s columns, and when its key is checked next';
comment on column ai_avatar.integration_details.api_key_set_at is
'When the key was stored; sealing it again does not change it';
comment on column ai_avatar.integration_details.secret_updated_at is
'updated_at of the secret that the two before belong to: another application may replace it in the vault';
comment on column ai_avatar.integration_details.sealing_key_id is
'The entry of SECRETS_KEYS that sealed the stored key; NULL unless a back end stored it';
comment on column ai_avatar.integration_details.avatar is
'Id, name and preview of an avatar that was chosen; outdated when its id is no longer avatar_id';
comment on column ai_avatar.integration_details.voice is 'As avatar';
comment on column ai_avatar.integration_details.next_key_check_at is 'NULL: not scheduled yet';
comment on column ai_avatar.integration_details.key_rejected_at is
'When the scheduled check met a rejection that the next check must confirm';
create index integration_details_next_key_check_at on ai_avatar.integration_details (next_key_check_at);
create index integration_details_sealing_key_id
on ai_avatar.integration_details (sealing_key_id, secret_updated_at desc) where sealing_key_id is not null;

create view ai_avatar.integrations as
select
    ai.id,
    ai.business_id,
    ai.provider,
    ai.avatar_id,
    ai.voice_id,
    -- A table that was taken over may contain other JSON values.
    case when jsonb_typeof(ai.provider_config) = 'object' then ai.provider_config else '{}' end as provider_config,
    coalesce(ai.status, 'inactive') as status,
    ai.secret_id is not null as has_api_key,
    -- Only times that clients can express: of the years 1 to 9999.
    case
        when ai.validated_at between to_timestamp(-62135596799) and to_timestamp(253402300799) then ai.validated_at
    end as validated_at,
    case
        when ai.last_synced_at between to_timestamp(-62135596799) and to_timestamp(253402300799) then ai.last_synced_at
    end as last_synced_at,
    least(
        greatest(coalesce(ai.created_at, to_timestamp(0)), to_timestamp(-62135596799)), to_timestamp(253402300799)
    ) as created_at,
    least(
        greatest(coalesce(ai.updated_at, ai.created_at, to_timestamp(0)), to_timestamp(-62135596799)),
        to_timestamp(253402300799)
    ) as updated_at,
    case when s.updated_at = d.secret_updated_at then d.api_key_last4 end as api_key_last4,
    case when s.updated_at = d.secret_updated_at then d.api_key_set_at else s.updated_at end as api_key_set_at,
    case when d.avatar ->> 'id' = ai.avatar_id then d.avatar end as avatar,
    case when d.voice ->> 'id' = ai.voice_id then d.voice end as voice
from public.ai_avatar_integrations as ai
left join ai_avatar.integration_details as d on d.integration_id = ai.id
left join vault.secrets as s on s.id = ai.secret_id;
comment on view ai_avatar.integrations is 'An integration as the service returns it, without its key';

create view ai_avatar.integration_choices as
select
    ai.business_id,
    ai.provider,
    ai.status,
    ai.secret_id is not null as has_api_key,
    case when ai.avatar_id is not null then
        jsonb_build_object(
            'id', ai.avatar_id, 'name', case when d.avatar ->> 'id' = ai.avatar_id then d.avatar ->> 'name' end
        )
    end as avatar,
    case when ai.voice_id is not null then
        jsonb_build_object(
            'id', ai.voice_id, 'name', case when d.voice ->> 'id' = ai.voice_id then d.voice ->> 'name' end
        )
    end as voice
from public.ai_avatar_integrations as ai
left join ai_avatar.integration_details as d on d.integration_id = ai.id;
comment on view ai_avatar.integration_choices is
'What a generation records of an integration: the chosen avatar and voice, their names where they are known';

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
'Audit log of reads of provider keys: when, whose key, by which caller, for which generation';
create index secret_reads_read_at on ai_avatar.secret_reads (read_at);
create index secret_reads_business_id on ai_avatar.secret_reads (business_id, read_at);

--! include functions/callers.sql
--! include functions/integrations.sql
--! include functions/integration_details.sql
--! include functions/orphaned_secrets.sql
--! include functions/secrets.sql
--! include functions/key_checks.sql
--! include functions/operations.sql
--! include functions/public_api.sql

-- Strong locks last and briefly ------------------------------------------------------------------------------------

do $migration$
declare
    v_key text;
begin
    if exists (select from ai_avatar.created_objects as m where m.object = 'public.ai_avatar_integrations') then
        perform pg_temp.lock_tables('share row exclusive', 'public.businesses', 'vault.secrets');
        alter table public.ai_avatar_integrations
        add foreign key (business_id) references public.businesses (id) on delete cascade,
        -- The old application's removal of a key deletes the secret that both refer to.
        add foreign key (secret_id) references vault.secrets (id) on delete set null;
        return;
    end if;
    select f.conname into v_key from pg_catalog.pg_constraint as f
    where f.conrelid = 'public.ai_avatar_integrations'::regclass and f.contype = 'f'
        and f.confrelid = 'vault.secrets'::regclass and f.confdeltype in ('a', 'r');
    if not found then
        perform pg_temp.lock_tables('access exclusive', 'public.ai_avatar_integrations');
        return;
    end if;
    perform pg_temp.lock_tables('access exclusive', 'public.ai_avatar_integrations', 'vault.secrets');
    execute format(
        'alter table public.ai_avatar_integrations drop constraint %1$I, '
        'add constraint %1$I foreign key (secret_id) references vault.secrets (id) on delete set null', v_key
    );
end;
$migration$;

create index if not exists idx_ai_avatar_integrations_business_id on public.ai_avatar_integrations (business_id);
create index if not exists idx_ai_avatar_integrations_provider on public.ai_avatar_integrations (provider);
create index if not exists idx_ai_avatar_integrations_status on public.ai_avatar_integrations (status);
-- Deleting a secret looks for rows that refer to it; without this index it reads the whole table.
create index if not exists idx_ai_avatar_integrations_secret_id on public.ai_avatar_integrations (secret_id);
create index if not exists idx_ai_avatar_integrations_page
on public.ai_avatar_integrations (created_at desc, id desc);
create index if not exists idx_ai_avatar_integrations_status_page
on public.ai_avatar_integrations (coalesce(status, 'inactive'), created_at desc, id desc);

drop trigger if exists ai_avatar_integrations_updated_at on public.ai_avatar_integrations;
-- The trigger is dropped first, so that updated_at does not change.
update public.ai_avatar_integrations as ai
set avatar_id = nullif(btrim(ai.avatar_id), ''), voice_id = nullif(btrim(ai.voice_id), ''),
    created_at = coalesce(ai.created_at, ai.updated_at, now()), updated_at = coalesce(ai.updated_at, now())
where ai.created_at is null or ai.updated_at is null or btrim(ai.avatar_id) = '' or btrim(ai.voice_id) = '';

create trigger ai_avatar_integrations_updated_at before update on public.ai_avatar_integrations
for each row execute function public.update_ai_avatar_integrations_updated_at();
create trigger ai_avatar_integrations_normalised
before insert or update of provider_config, avatar_id, voice_id, created_at on public.ai_avatar_integrations
for each row execute function ai_avatar.normalise_integration();

create trigger ai_avatar_integrations_details after insert or delete on public.ai_avatar_integrations
for each row execute function ai_avatar.keep_integration_details();
insert into ai_avatar.integration_details (integration_id) select ai.id from public.ai_avatar_integrations as ai;

-- No way of deleting an integration leaves its secret behind.
create trigger ai_avatar_integrations_secret_deleted after delete on public.ai_avatar_integrations
for each row when (old.secret_id is not null) execute function ai_avatar.delete_orphaned_secret();
create trigger ai_avatar_integrations_secret_replaced after update of secret_id on public.ai_avatar_integrations
for each row when (old.secret_id is distinct from new.secret_id and old.secret_id is not null)
execute function ai_avatar.delete_orphaned_secret();
create trigger ai_avatar_integrations_truncated before truncate on public.ai_avatar_integrations
for each statement execute function ai_avatar.delete_before_truncate();

--! include parts/integrations_privileges.sql

revoke all on all tables in schema ai_avatar from public, anon, authenticated, service_role, ai_avatar_service;
revoke all on all sequences in schema ai_avatar from public, anon, authenticated, service_role, ai_avatar_service;
grant select on table ai_avatar.secret_reads to service_role;
