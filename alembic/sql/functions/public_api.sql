-- The four functions of the original plan.

create or replace function public.get_ai_avatar_integration(p_business_id uuid, p_provider text default null)
returns table (
    id uuid, provider text, avatar_id text, voice_id text, provider_config jsonb, status text,
    validated_at timestamp with time zone
)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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

create or replace function public.get_ai_avatar_secret(p_business_id uuid, p_provider text default null)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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

create or replace function public.set_ai_avatar_integration(
    p_business_id uuid,
    p_provider text,
    p_api_key text,
    p_avatar_id text default null,
    p_voice_id text default null,
    p_config jsonb default null
)
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    return (
        select i.id from ai_avatar.set_integration(
            gen_random_uuid(), p_business_id, p_provider, p_api_key, p_avatar_id, p_voice_id, p_config, true
        ) as i
    );
end;
$$;

create or replace function public.delete_ai_avatar_integration(p_business_id uuid, p_provider text default null)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform ai_avatar.check_caller(p_business_id);
    perform ai_avatar.delete_integrations(p_business_id, p_provider);
end;
$$;

revoke all on function
public.get_ai_avatar_integration,
public.get_ai_avatar_secret,
public.set_ai_avatar_integration,
public.delete_ai_avatar_integration
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
public.get_ai_avatar_integration,
public.set_ai_avatar_integration,
public.delete_ai_avatar_integration
to authenticated, service_role, ai_avatar_service;
grant execute on function
public.get_ai_avatar_secret
to service_role, ai_avatar_service;

comment on function public.get_ai_avatar_secret is
'The stored key, sealed if the service stored it; for service_role and the service''s login alone; recorded';
