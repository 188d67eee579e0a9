-- Integrations: what a business has connected, never its key.

create or replace function public.update_ai_avatar_integrations_updated_at()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.updated_at = now();
    return new;
end;
$$;

-- Corrects or refuses values that the column types allow and the service cannot use: the original frontend sends ''
-- for "none", a jsonb column accepts any JSON, and lists are sorted by created_at. An exception and not a CHECK: the
-- DETAIL of a violated CHECK prints the row.
create or replace function ai_avatar.normalise_integration()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    -- Only what changes (OLD is NULL in an INSERT): a row that was taken over may contain anything.
    if new.provider_config is distinct from old.provider_config and (
        jsonb_typeof(new.provider_config) <> 'object' or octet_length(new.provider_config::text) > 16384
    ) then
        raise exception 'provider_config should be a JSON object of at most 16 KiB' using errcode = 'AV014';
    end if;
    if new.avatar_id is distinct from old.avatar_id then
        new.avatar_id := nullif(btrim(new.avatar_id), '');
        if char_length(new.avatar_id) > 255 or new.avatar_id ~ '[\u0001-\u001f\u007f-\u009f]' then
            raise exception 'avatar_id should have at most 255 characters and no control characters'
                using errcode = 'AV018', column = 'avatar_id';
        end if;
    end if;
    if new.voice_id is distinct from old.voice_id then
        new.voice_id := nullif(btrim(new.voice_id), '');
        if char_length(new.voice_id) > 255 or new.voice_id ~ '[\u0001-\u001f\u007f-\u009f]' then
            raise exception 'voice_id should have at most 255 characters and no control characters'
                using errcode = 'AV018', column = 'voice_id';
        end if;
    end if;
    new.created_at := coalesce(new.created_at, now());
    new.updated_at := coalesce(new.updated_at, now());
    return new;
end;
$$;

create or replace function ai_avatar.providers()
returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array['heygen', 'tavus']
$$;

-- `rows`, here and in other functions that the service calls in batches: with the usual estimate of 1,000 rows, each
-- batch would be planned again, as long as it takes.
create or replace function ai_avatar.list_integrations(
    p_business_id uuid, p_provider text, p_status text,
    p_before_created_at timestamptz, p_before_id uuid, p_limit integer
)
returns setof ai_avatar.integrations
language plpgsql stable security definer rows 2 set search_path = pg_catalog, pg_temp as $$
begin
    if p_business_id is null then
        return query select i.* from ai_avatar.list_all_integrations(
            p_provider, p_status, p_before_created_at, p_before_id, p_limit
        ) as i;
    else
        -- A business has few: one plan, which is kept, serves all filters.
        return query
        select i.* from ai_avatar.integrations as i
        where i.business_id = p_business_id
            and (p_provider is null or i.provider = p_provider)
            and (p_status is null or i.status = p_status)
            and (p_before_id is null or (i.created_at, i.id) < (p_before_created_at, p_before_id))
        order by i.created_at desc, i.id desc
        limit p_limit;
    end if;
end;
$$;

create or replace function ai_avatar.list_all_integrations(
    p_provider text, p_status text, p_before_created_at timestamptz, p_before_id uuid, p_limit integer
)
returns setof ai_avatar.integrations
-- One plan for all filters would read every row, so each call is planned for its own.
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    v_before_created_at timestamptz := p_before_created_at;
begin
    -- As in list_videos.
    if p_before_created_at in (to_timestamp(-62135596799), to_timestamp(253402300799)) then
        select ai.created_at into v_before_created_at from public.ai_avatar_integrations as ai
        where ai.id = p_before_id;
    end if;
    return query
    select i.*
    from (
        select ai.id, ai.created_at
        from public.ai_avatar_integrations as ai
        where (p_provider is null or ai.provider = p_provider)
            and (p_status is null or coalesce(ai.status, 'inactive') = p_status)
            and (
                p_before_id is null
                or (ai.created_at, ai.id) < (coalesce(v_before_created_at, p_before_created_at), p_before_id)
            )
        order by ai.created_at desc, ai.id desc
        limit p_limit
    ) as page
    join ai_avatar.integrations as i on i.id = page.id
    order by page.created_at desc, page.id desc;
end;
$$;

create or replace function ai_avatar.update_integration(
    p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean,
    p_api_key_last4 text, p_avatar jsonb, p_voice jsonb
)
returns setof ai_avatar.integrations
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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
        -- A key that the provider has just accepted ends the status `error`; `inactive` is the business's own choice.
        status = coalesce(
            p_changes ->> 'status', case when p_validated and ai.status = 'error' then 'active' end, ai.status
        ),
        validated_at = case
            when p_validated then now()
            when p_sealed_key is not null then null
            else ai.validated_at
        end
    where ai.business_id = p_business_id and ai.provider = p_provider
    returning ai.id into v_id;
    if not found then
        raise exception 'No such integration' using errcode = 'AV001';
    end if;

    if p_sealed_key is not null then
        perform ai_avatar.store_secret(v_id, p_sealed_key, p_api_key_last4);
    end if;
    perform ai_avatar.record_details(v_id, p_avatar, p_voice);
    return query select i.* from ai_avatar.integrations as i where i.id = v_id;
end;
$$;

create or replace function ai_avatar.record_key_check(
    p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean
)
returns setof ai_avatar.integrations
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_secret_id uuid;
begin
    -- Only for the key that was checked: the row's lock keeps a save of a new key out while the two are compared.
    select ai.secret_id into v_secret_id from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id and ai.provider = p_provider
    for no key update;
    update public.ai_avatar_integrations as ai
    set status = case
            when ai.status = 'inactive' then ai.status
            when p_accepted then 'active'
            else 'error'
        end,
        validated_at = case when p_accepted then now() else ai.validated_at end
    where ai.business_id = p_business_id and ai.provider = p_provider
        and exists (
            select from vault.decrypted_secrets as s
            where s.id = v_secret_id and s.decrypted_secret = p_sealed_key
        );
    if found and p_accepted then
        -- An earlier rejection by the scheduled check is not confirmed.
        update ai_avatar.integration_details as d set key_rejected_at = null
        from public.ai_avatar_integrations as ai
        where ai.business_id = p_business_id and ai.provider = p_provider
            and d.integration_id = ai.id and d.key_rejected_at is not null;
    end if;
    return query
    select i.* from ai_avatar.integrations as i
    where i.business_id = p_business_id and i.provider = p_provider;
end;
$$;

create or replace function ai_avatar.record_sync(
    p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb
)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_id uuid;
begin
    update public.ai_avatar_integrations as ai set last_synced_at = now()
    where ai.business_id = p_business_id and ai.provider = p_provider
    returning ai.id into v_id;
    perform ai_avatar.record_details(v_id, p_avatar, p_voice);
end;
$$;

revoke all on function
public.update_ai_avatar_integrations_updated_at,
ai_avatar.normalise_integration,
ai_avatar.providers,
ai_avatar.list_integrations,
ai_avatar.list_all_integrations,
ai_avatar.update_integration,
ai_avatar.record_key_check,
ai_avatar.record_sync
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.list_integrations,
ai_avatar.update_integration,
ai_avatar.record_key_check,
ai_avatar.record_sync
to service_role, ai_avatar_service;

comment on function ai_avatar.providers is 'The providers that the CHECK on public.ai_avatar_integrations allows';
comment on function ai_avatar.update_integration is
'Changes the fields that p_changes names; AV001 when there is no such integration';
comment on function ai_avatar.record_key_check is
'Records the provider''s verdict on a stored key, unless it has been replaced: active or error, and validated_at;
inactive stays';
comment on function ai_avatar.record_sync is
'Records that the provider''s catalogue was read with the stored key, and what it says of the chosen avatar and voice';
