-- The four functions of the original plan: what the service, its browsers and other back ends call for an integration.
-- Arguments and results that the original lacks are at the end, with defaults, so that its calls keep their meaning.

create or replace function public.set_ai_avatar_integration(
    p_business_id uuid,
    p_provider text,
    p_api_key text,
    p_avatar_id text default null,
    p_voice_id text default null,
    p_config jsonb default null,
    p_id uuid default null,
    p_validated boolean default true,
    p_api_key_last4 text default null,
    p_avatar jsonb default null,
    p_voice jsonb default null
)
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_id uuid;
begin
    perform ai_avatar.check_caller(
        p_business_id,
        num_nonnulls(p_id, p_api_key_last4, p_avatar, p_voice) > 0 or p_validated is not true
    );
    if p_provider is null or p_provider <> all (ai_avatar.providers()) then
        raise exception 'Invalid AI avatar provider: %', p_provider using errcode = '22023';
    end if;
    if coalesce(p_api_key, '') = '' then
        raise exception 'An API key is required' using errcode = '22023';
    end if;
    if not exists (select from public.businesses as b where b.id = p_business_id) then
        raise exception 'No such business' using errcode = 'AV013';
    end if;

    -- The row first, the vault second: the row's lock decides which of two concurrent first saves makes the secret.
    insert into public.ai_avatar_integrations as ai (
        id, business_id, provider, avatar_id, voice_id, provider_config, status, validated_at
    ) values (
        coalesce(p_id, gen_random_uuid()), p_business_id, p_provider, p_avatar_id, p_voice_id,
        coalesce(p_config, '{}'), 'active', case when p_validated then now() end
    )
    on conflict on constraint unique_business_ai_avatar_provider do update set
        -- Not excluded.avatar_id, where the trigger has made NULL of '': that clears, as in the original form.
        avatar_id = coalesce(p_avatar_id, ai.avatar_id),
        voice_id = coalesce(p_voice_id, ai.voice_id),
        provider_config = coalesce(p_config, ai.provider_config),
        status = 'active',
        validated_at = excluded.validated_at
    returning ai.id into v_id;
    perform ai_avatar.store_secret(v_id, p_api_key, p_api_key_last4);
    perform ai_avatar.record_details(v_id, p_avatar, p_voice);
    return v_id;
end;
$$;

create or replace function public.get_ai_avatar_integration(
    p_business_id uuid, p_provider text default null, p_status text default 'active'
)
returns table (
    id uuid, provider text, avatar_id text, voice_id text, provider_config jsonb, status text,
    validated_at timestamp with time zone, business_id uuid, has_api_key boolean,
    last_synced_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone,
    api_key_last4 text, api_key_set_at timestamp with time zone, avatar jsonb, voice jsonb
)
language plpgsql stable security definer rows 1 set search_path = pg_catalog, pg_temp as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    return query
    select i.id, i.provider, i.avatar_id, i.voice_id, i.provider_config, i.status, i.validated_at, i.business_id,
        i.has_api_key, i.last_synced_at, i.created_at, i.updated_at, i.api_key_last4, i.api_key_set_at,
        i.avatar, i.voice
    from ai_avatar.integrations as i
    where i.business_id = p_business_id
        and (p_provider is null or i.provider = p_provider)
        and (p_status is null or i.status = p_status)
    order by i.created_at, i.id
    limit 1;
end;
$$;

create or replace function public.get_ai_avatar_secret(
    p_business_id uuid,
    p_provider text default null,
    p_status text default 'active',
    p_caller text default null,
    p_purpose text default null,
    p_generation_id uuid default null,
    p_request_id text default null,
    p_address text default null
)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_provider text;
    v_sealed_key text;
begin
    perform ai_avatar.check_caller(p_business_id, true);
    select ai.provider, s.decrypted_secret into v_provider, v_sealed_key
    from public.ai_avatar_integrations as ai
    join vault.decrypted_secrets as s on s.id = ai.secret_id
    where ai.business_id = p_business_id
        and (p_provider is null or ai.provider = p_provider)
        and (p_status is null or ai.status = p_status)
    order by ai.created_at, ai.id
    limit 1;
    if found then
        insert into ai_avatar.secret_reads (
            business_id, provider, caller, purpose, generation_id, request_id, address
        ) values (
            p_business_id, v_provider,
            coalesce(
                p_caller,
                'sql:' || case current_setting('role') when 'none' then session_user else current_setting('role') end
            ),
            coalesce(p_purpose, 'get_ai_avatar_secret'), p_generation_id, p_request_id, p_address
        );
    end if;
    return v_sealed_key;
end;
$$;

create or replace function public.delete_ai_avatar_integration(
    p_business_id uuid, p_provider text default null, p_must_exist boolean default false
)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    delete from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id and (p_provider is null or ai.provider = p_provider);
    if not found and p_must_exist then
        raise exception 'No such integration' using errcode = 'AV001';
    end if;
end;
$$;

revoke all on function
public.set_ai_avatar_integration,
public.get_ai_avatar_integration,
public.get_ai_avatar_secret,
public.delete_ai_avatar_integration
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
public.set_ai_avatar_integration,
public.get_ai_avatar_integration,
public.delete_ai_avatar_integration
to authenticated, service_role, ai_avatar_service;
grant execute on function
public.get_ai_avatar_secret
to service_role, ai_avatar_service;

comment on function public.set_ai_avatar_integration is
'Creates or replaces the integration of a business with a provider; NULL keeps what is there, and an
empty p_avatar_id or p_voice_id clears it. For back ends only: p_id is the id of a new row, p_validated false means that
the key has not been checked, and the last three are what is shown of the key, the avatar and the voice';
comment on function public.get_ai_avatar_integration is
'The integration of a business, never its key; the oldest without p_provider, of any status when p_status is NULL';
comment on function public.get_ai_avatar_secret is
'The key as it is stored: sealed if the service stored it. For back ends only; each read is recorded';
comment on function public.delete_ai_avatar_integration is
'Deletes one integration, or all of the business, with their secrets; p_must_exist: AV001 when there is none';
