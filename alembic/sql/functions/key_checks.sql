-- The scheduled check of stored keys, spread over instances.

create or replace function ai_avatar.lease_key_checks(p_period interval, p_lease interval, p_limit integer)
returns table (business_id uuid, provider text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    -- A new key has just been checked, and the keys of a database that has just been migrated must not all be due at
    -- once.
    update ai_avatar.integration_details as d
    set next_key_check_at = now() + p_period * (0.5 + random() / 2)
    where d.integration_id in (
        select unscheduled.integration_id from ai_avatar.integration_details as unscheduled
        where unscheduled.next_key_check_at is null
        limit 1000
        for update skip locked
    );
    return query
    with due as (
        select d.integration_id from ai_avatar.integration_details as d
        where d.next_key_check_at <= now()
        order by d.next_key_check_at
        limit p_limit
        for update skip locked
    ),
    leased as (
        update ai_avatar.integration_details as d
        set next_key_check_at = now() + case when ai.status in ('active', 'error') then p_lease else p_period end
        from due
        join public.ai_avatar_integrations as ai on ai.id = due.integration_id
        where d.integration_id = due.integration_id
        returning ai.business_id, ai.provider, ai.status in ('active', 'error') and ai.secret_id is not null as is_usable
    )
    select l.business_id, l.provider from leased as l where l.is_usable;
end;
$$;

create or replace function ai_avatar.record_scheduled_key_check(
    p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval,
    p_confirm_after interval
)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_integration public.ai_avatar_integrations;
    v_rejected_at timestamptz;
    v_is_confirmed boolean;
begin
    select ai.* into v_integration from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id and ai.provider = p_provider
    for no key update;
    if not exists (
        select from vault.decrypted_secrets as s
        where s.id = v_integration.secret_id and s.decrypted_secret = p_sealed_key
    ) then
        return 'replaced';
    end if;
    select d.key_rejected_at into v_rejected_at from ai_avatar.integration_details as d
    where d.integration_id = v_integration.id;
    v_is_confirmed := p_accepted or v_integration.status = 'error'
        or coalesce(v_rejected_at <= now() - p_confirm_after, false);
    if v_is_confirmed then
        perform ai_avatar.record_key_check(p_business_id, p_provider, p_sealed_key, p_accepted);
    end if;
    update ai_avatar.integration_details as d
    set key_rejected_at = case when not v_is_confirmed then coalesce(d.key_rejected_at, now()) end,
        next_key_check_at = now() + case
            when v_is_confirmed then p_period * (0.9 + random() / 5)
            -- A little later than needed, so that the next check can confirm.
            else p_confirm_after * (1.1 + random() / 5)
        end
    where d.integration_id = v_integration.id;
    return case when p_accepted then 'accepted' when v_is_confirmed then 'rejected' else 'unconfirmed' end;
end;
$$;

revoke all on function
ai_avatar.lease_key_checks,
ai_avatar.record_scheduled_key_check
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.lease_key_checks,
ai_avatar.record_scheduled_key_check
to service_role, ai_avatar_service;

comment on function ai_avatar.lease_key_checks is
'Integrations whose keys are due for a check, leased to the caller; SKIP LOCKED, so that any number may call it';
comment on function ai_avatar.record_scheduled_key_check is
'Records a verdict and schedules the next check. A rejection counts when a second one, p_confirm_after later, confirms
it; returns accepted, rejected, unconfirmed, or replaced when another key is stored by now';
