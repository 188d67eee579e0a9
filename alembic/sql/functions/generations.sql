-- Starting, dispatching, cancelling and expiring generations (docs/generation.md).
--
-- Every function that locks rows, here and in the other files, has a `lock_timeout`: if another transaction holds a
-- row, the call fails with 55P03, has changed nothing, and may be repeated. That takes 2 s at most, because the second
-- of two that wait for a row waits for the first one's turn, and then for its own. The setting belongs to the function
-- because a transaction pooler refuses a session's settings, or passes them on to other clients.

create or replace function ai_avatar.get_generation(p_generation_id uuid)
returns setof ai_avatar.generation_states
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

-- A trigger, so that no way to end a generation can forget it.
create or replace function ai_avatar.set_ended_at()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if new.status in ('dispatching', 'processing') then
        new.ended_at := null;
    elsif tg_op = 'INSERT' or new.status <> old.status then
        new.ended_at := now();
    end if;
    return new;
end;
$$;

create or replace function ai_avatar.start_generation(
    p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval,
    p_idempotency_key text, p_request_hash bytea
)
returns table (id uuid, script text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
    v_script text;
    v_heygen_status text;
    v_heygen_video_id text;
    v_content_found boolean;
    v_integration ai_avatar.integration_choices;
    v_live ai_avatar.generations;
    v_refusal text;
begin
    -- Only the columns that are needed: each one costs, and other applications' items may have many.
    select c.video_script, c.heygen_status, c.heygen_video_id into v_script, v_heygen_status, v_heygen_video_id
    from public.content as c
    where c.id = p_content_id and c.business_id = p_business_id
    for no key update;
    v_content_found := found;

    -- A replay precedes every check: it returns the accepted generation, even if the data has changed since.
    if p_idempotency_key is not null then
        update ai_avatar.generations as g set idempotency_key = null
        where g.business_id = p_business_id and g.idempotency_key = p_idempotency_key
            and g.requested_at < now() - interval '24 hours';
        return query select r.id, r.script from ai_avatar.find_replay(
            p_business_id, p_idempotency_key, p_request_hash
        ) as r;
        if found then
            return;
        end if;
    end if;

    select i.* into v_integration from ai_avatar.integration_choices as i
    where i.business_id = p_business_id and i.provider = p_provider and i.has_api_key;
    if not found then
        raise exception 'Integration not configured' using errcode = 'AV004';
    end if;
    if v_integration.status is distinct from 'active' then
        raise exception 'Integration not active' using errcode = 'AV016';
    end if;
    if v_integration.avatar is null then
        raise exception 'No avatar configured' using errcode = 'AV005';
    end if;
    if not v_content_found then
        raise exception 'No such content' using errcode = 'AV002';
    end if;
    v_script := coalesce(p_script, v_script);
    if coalesce(v_script, '') !~ '\S' then
        raise exception 'No script' using errcode = 'AV006';
    end if;
    if char_length(v_script) > 5000 then
        raise exception 'Script too long' using errcode = 'AV007';
    end if;

    -- What is in the way is looked up only when something is: the unique indexes say so.
    loop
        insert into ai_avatar.generations (
            id, business_id, content_id, provider, script, avatar, voice, previous_heygen_status,
            previous_heygen_video_id, deadline, idempotency_key, request_hash
        ) values (
            p_id, p_business_id, p_content_id, p_provider, v_script, v_integration.avatar, v_integration.voice,
            nullif(v_heygen_status, 'processing'), v_heygen_video_id,
            clock_timestamp() + p_dispatch_timeout, p_idempotency_key, p_request_hash
        )
        on conflict do nothing;
        exit when found;
        select g.* into v_live from ai_avatar.generations as g
        where g.content_id = p_content_id and g.status in ('dispatching', 'processing')
        for update;
        if found then
            if v_live.business_id = p_business_id and v_heygen_status is not distinct from 'processing' then
                raise exception 'Generation in progress' using errcode = 'AV008', detail = v_live.id::text;
            end if;
            -- Another application has changed the content item, or given it to another business.
            perform ai_avatar.supersede_generation(v_live.id);
        elsif exists (select from ai_avatar.generations as g where g.id = p_id) then
            raise exception 'There is a generation of this id' using errcode = '23505';
        else
            -- A concurrent request used the same key with another content item, whose lock it holds. If nothing is
            -- found, it has been rolled back since, and the key is free again.
            return query select r.id, r.script from ai_avatar.find_replay(
                p_business_id, p_idempotency_key, p_request_hash
            ) as r;
            if found then
                return;
            end if;
        end if;
    end loop;
    v_refusal := ai_avatar.write_content(p_content_id, '{"heygen_status": "processing"}');
    if v_refusal is not null then
        raise exception '%', v_refusal using errcode = 'AV015';
    end if;
    id := p_id;
    script := v_script;
    return next;
end;
$$;

create or replace function ai_avatar.supersede_generation(p_generation_id uuid)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update ai_avatar.generations as g
    set status = 'expired', ended_by = 'superseded',
        error = 'Another application changed the content item, so this video is no longer expected.',
        idempotency_key = case when g.status <> 'dispatching' then g.idempotency_key end
    where g.id = p_generation_id;
end;
$$;

create or replace function ai_avatar.find_replay(p_business_id uuid, p_idempotency_key text, p_request_hash bytea)
returns setof ai_avatar.generations language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_earlier ai_avatar.generations;
begin
    select g.* into v_earlier from ai_avatar.generations as g
    where g.business_id = p_business_id and g.idempotency_key = p_idempotency_key;
    if found then
        if v_earlier.request_hash is distinct from p_request_hash then
            raise exception 'Idempotency key reused' using errcode = 'AV012';
        end if;
        return next v_earlier;
    end if;
end;
$$;

create or replace function ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval)
returns setof ai_avatar.generation_states
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    update ai_avatar.generations as g
    set status = case when g.status = 'dispatching' then 'processing' else g.status end,
        dispatched_at = coalesce(g.dispatched_at, now()),
        deadline = case
            when g.status = 'dispatching' then ai_avatar.next_deadline(g.requested_at, p_timeout)
            else g.deadline
        end
    where g.id = p_generation_id;
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

create or replace function ai_avatar.next_deadline(p_requested_at timestamptz, p_timeout interval)
returns timestamptz language sql stable set search_path = pg_catalog, pg_temp as $$
    select least(now() + p_timeout, p_requested_at + interval '24 hours')
$$;

create or replace function ai_avatar.roll_back_dispatch(
    p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean
)
returns setof ai_avatar.generation_states
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_generation ai_avatar.generations;
begin
    perform from public.content as c
    where c.id = (select g.content_id from ai_avatar.generations as g where g.id = p_generation_id)
    for no key update;
    -- The claim decides: once n8n has asked for the provider's key, the job is running, whatever the webhook returned.
    -- The idempotency key is freed, so that the caller can retry with it.
    update ai_avatar.generations as g
    set status = 'failed', ended_by = 'webhook', error = p_error, webhook_timed_out = p_timed_out,
        idempotency_key = null
    where g.id = p_generation_id and g.status = 'dispatching' and g.claimed_at is null
    returning g.* into v_generation;
    if found then
        perform ai_avatar.restore_content(v_generation, null, p_touch_content);
    else
        -- Cancelled or expired before n8n refused: it was never accepted either.
        update ai_avatar.generations as g set idempotency_key = null
        where g.id = p_generation_id and g.claimed_at is null and g.status not in ('dispatching', 'processing');
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

create or replace function ai_avatar.cancel_generation(
    p_business_id uuid, p_content_id uuid, p_touch_content boolean
)
returns setof ai_avatar.generation_states
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_generation ai_avatar.generations;
    v_business_id uuid;
begin
    select c.business_id into v_business_id from public.content as c
    where c.id = p_content_id and (p_business_id is null or c.business_id = p_business_id)
    for no key update;
    if found then
        update ai_avatar.generations as g
        set status = 'failed', ended_by = 'cancel', error = 'cancelled'
        where g.content_id = p_content_id and g.business_id = v_business_id
            and g.status in ('dispatching', 'processing')
        returning g.* into v_generation;
    end if;
    if v_generation.id is null then
        if exists (
            select from ai_avatar.generations as g
            where g.content_id = p_content_id and g.business_id = v_business_id
        ) then
            raise exception 'The generation has ended' using errcode = 'AV017';
        end if;
        raise exception 'No generation' using errcode = 'AV003';
    end if;
    perform ai_avatar.restore_content(v_generation, null, p_touch_content);
    return query select s.* from ai_avatar.generation_states as s where s.id = v_generation.id;
end;
$$;

-- A video may be finished although its workflow went silent, so the provider is asked first: lease_video_checks. That
-- holds after an outage of the service, too: the time alone does not decide.
create or replace function ai_avatar.may_expire(p_generation ai_avatar.generations)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return p_generation.video_id is null
        or p_generation.next_check_at = 'infinity'  -- the provider has no such video
        or p_generation.next_check_at > p_generation.deadline
        and p_generation.deadline < now() - interval '5 minutes';
end;
$$;

create or replace function ai_avatar.list_overdue_generations(p_limit integer)
returns setof uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select g.id from ai_avatar.generations as g
    where g.status in ('dispatching', 'processing') and g.deadline < now() and ai_avatar.may_expire(g)
    order by g.deadline
    limit p_limit;
end;
$$;

create or replace function ai_avatar.expire_generations(
    p_limit integer, p_generation_id uuid default null, p_touch_content boolean default true
)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_generation ai_avatar.generations;
    v_message text;
begin
    -- Any number of instances may call this concurrently: each skips rows that another one has locked.
    for v_generation in
        select g.*
        from ai_avatar.generations as g
        join public.content as c on c.id = g.content_id
        where g.status in ('dispatching', 'processing') and g.deadline < now()
            and ai_avatar.may_expire(g) and (p_generation_id is null or g.id = p_generation_id)
        order by g.deadline
        limit p_limit
        for no key update of c, g skip locked
    loop
        v_message := case v_generation.status
            when 'dispatching' then 'The video generation could not be started. Please try again.'
            else 'The video generation did not report back in time.'
        end;
        -- A generation that is still dispatching was never accepted: free its idempotency key for a retry.
        update ai_avatar.generations as g
        set status = 'expired', ended_by = 'deadline', error = v_message,
            idempotency_key = case when v_generation.status <> 'dispatching' then g.idempotency_key end
        where g.id = v_generation.id;
        perform ai_avatar.restore_content(v_generation, v_message, p_touch_content);
        return query select s.* from ai_avatar.generation_states as s where s.id = v_generation.id;
    end loop;
end;
$$;

create or replace function ai_avatar.count_live_generations()
returns table (status text, generations bigint, oldest_seconds double precision)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    select g.status::text, count(*), extract(epoch from now() - min(g.requested_at))::double precision
    from ai_avatar.generations as g
    where g.status in ('dispatching', 'processing')
    group by g.status;
end;
$$;

revoke all on function
ai_avatar.get_generation,
ai_avatar.set_ended_at,
ai_avatar.start_generation,
ai_avatar.supersede_generation,
ai_avatar.find_replay,
ai_avatar.confirm_dispatch,
ai_avatar.next_deadline,
ai_avatar.roll_back_dispatch,
ai_avatar.cancel_generation,
ai_avatar.may_expire,
ai_avatar.list_overdue_generations,
ai_avatar.expire_generations,
ai_avatar.count_live_generations
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.get_generation,
ai_avatar.start_generation,
ai_avatar.confirm_dispatch,
ai_avatar.roll_back_dispatch,
ai_avatar.cancel_generation,
ai_avatar.list_overdue_generations,
ai_avatar.expire_generations,
ai_avatar.count_live_generations
to service_role, ai_avatar_service;

comment on function ai_avatar.start_generation is
'Starts a generation and marks its content item, or returns the one bound to the idempotency key: its id is not p_id';
comment on function ai_avatar.confirm_dispatch is
'n8n accepted the job: dispatching becomes processing; any other status stays';
comment on function ai_avatar.roll_back_dispatch is
'n8n did not accept the job: an unclaimed dispatching generation fails and its content item is restored';
comment on function ai_avatar.expire_generations is
'Expires live generations that are past their deadline, or one of them, and restores their content items; safe to
call concurrently';
comment on function ai_avatar.count_live_generations is
'Live generations by status, and the age of the oldest; a status without any is left out';
