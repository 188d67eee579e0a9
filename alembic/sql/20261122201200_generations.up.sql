-- The life of a generation (docs/generation.md). Each step is one function, guarded by the state that it expects.
-- Lock order, everywhere: the content, then the generation; claim, confirm and the deadline touch the generation
-- alone. There is no foreign key to businesses: it deadlocks against the deletion of a business, and deleting a
-- business deletes its contents anyway.

set local lock_timeout = '10s';
set local search_path = '';

create table ai_avatar.generations (
    id uuid primary key,
    business_id uuid not null,
    content_id uuid not null references public.content (id) on delete cascade,
    provider text not null,
    script text not null,
    status text not null default 'dispatching'
    check (status in ('dispatching', 'processing', 'completed', 'failed', 'expired')),
    ended_by text check (ended_by in ('webhook', 'report', 'cancel', 'deadline', 'superseded')),
    previous_heygen_status text,
    previous_heygen_video_id text,
    claimed_at timestamptz,
    claimed_by text,
    video_requested_at timestamptz,
    video_id text,
    video_url text,
    video_url_at timestamptz,
    error text,
    idempotency_key text,
    request_hash bytea,
    requested_at timestamptz not null default clock_timestamp(),
    dispatched_at timestamptz,
    completed_at timestamptz,
    deadline timestamptz not null
);
comment on table ai_avatar.generations is 'One attempt to make a video of a content; at most one lives per content';
comment on column ai_avatar.generations.ended_by is
'What ended it: only what the webhook or the deadline ended may still become completed';
comment on column ai_avatar.generations.previous_heygen_status is
'What content.heygen_status goes back to; never processing';
comment on column ai_avatar.generations.claimed_by is 'The n8n execution that may go on; NULL when it gave no id';
comment on column ai_avatar.generations.video_requested_at is
'Broker mode: when the provider was asked for the video; one call at a time may ask';
comment on column ai_avatar.generations.requested_at is
'Taken under the content''s lock, so that the latest generation of a content is the one that was started last';
comment on column ai_avatar.generations.deadline is 'When silence ends it, if it still lives';

create unique index generations_live on ai_avatar.generations (content_id)
where status in ('dispatching', 'processing');
create index generations_deadline on ai_avatar.generations (deadline) where status in ('dispatching', 'processing');
create index generations_content_id on ai_avatar.generations (content_id, requested_at desc, id desc);
create unique index generations_idempotency_key on ai_avatar.generations (business_id, idempotency_key)
where idempotency_key is not null;

create view ai_avatar.generation_states as
select
    g.id,
    g.business_id,
    g.content_id,
    g.provider,
    g.status,
    c.heygen_status,
    g.video_id,
    g.video_url,
    g.error,
    g.requested_at,
    g.dispatched_at,
    g.completed_at,
    g.ended_by,
    g.script,
    g.video_url_at
from ai_avatar.generations as g
join public.content as c on c.id = g.content_id;
comment on view ai_avatar.generation_states is 'A generation as the service reads it';

create function ai_avatar.get_generation(p_generation_id uuid)
returns setof ai_avatar.generation_states language plpgsql stable security definer set search_path = '' as $$
begin
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

-- Puts the content back where it was, unless something newer has moved it on. The caller holds the content's lock.
create function ai_avatar.restore_content(p_generation ai_avatar.generations, p_error_message text)
returns void language plpgsql set search_path = '' as $$
begin
    update public.content as c
    set heygen_status = p_generation.previous_heygen_status,
        heygen_video_id = p_generation.previous_heygen_video_id,
        error_message = coalesce(p_error_message, c.error_message)
    where c.id = p_generation.content_id and c.heygen_status = 'processing';
end;
$$;

create function ai_avatar.start_generation(
    p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval,
    p_idempotency_key text, p_request_hash bytea
)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
declare
    v_content public.content;
    v_content_found boolean;
    v_integration public.ai_avatar_integrations;
    v_live ai_avatar.generations;
    v_earlier ai_avatar.generations;
    v_script text;
begin
    select c.* into v_content from public.content as c
    where c.id = p_content_id and c.business_id = p_business_id
    for no key update;
    v_content_found := found;

    -- A replay comes before every check: it answers with what was accepted, whatever has changed since.
    if p_idempotency_key is not null then
        update ai_avatar.generations as g set idempotency_key = null
        where g.business_id = p_business_id and g.idempotency_key = p_idempotency_key
            and g.requested_at < now() - interval '24 hours';
        select g.* into v_earlier from ai_avatar.generations as g
        where g.business_id = p_business_id and g.idempotency_key = p_idempotency_key;
        if found then
            return query select s.* from ai_avatar.replay_generation(v_earlier.id, p_request_hash) as s;
            return;
        end if;
    end if;

    select ai.* into v_integration from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id and ai.provider = p_provider
        and ai.status = 'active' and ai.secret_id is not null;
    if not found then
        raise exception 'Integration not configured' using errcode = 'AV004';
    end if;
    if v_integration.avatar_id is null then
        raise exception 'No avatar configured' using errcode = 'AV005';
    end if;
    if not v_content_found then
        raise exception 'No such content' using errcode = 'AV002';
    end if;
    v_script := coalesce(p_script, v_content.video_script);
    if coalesce(v_script, '') !~ '\S' then
        raise exception 'No script' using errcode = 'AV006';
    end if;
    if char_length(v_script) > 5000 then
        raise exception 'Script too long' using errcode = 'AV007';
    end if;

    select g.* into v_live from ai_avatar.generations as g
    where g.content_id = p_content_id and g.status in ('dispatching', 'processing')
    for update;
    if found then
        if v_content.heygen_status is not distinct from 'processing' then
            raise exception 'Generation in progress' using errcode = 'AV008', detail = v_live.id::text;
        end if;
        -- Somebody else has moved the content on: what lives here is over for it.
        update ai_avatar.generations as g
        set status = 'expired', ended_by = 'superseded', error = 'superseded',
            idempotency_key = case when g.status <> 'dispatching' then g.idempotency_key end
        where g.id = v_live.id;
    end if;

    loop
        insert into ai_avatar.generations (
            id, business_id, content_id, provider, script, previous_heygen_status, previous_heygen_video_id,
            deadline, idempotency_key, request_hash
        ) values (
            p_id, p_business_id, p_content_id, p_provider, v_script, nullif(v_content.heygen_status, 'processing'),
            v_content.heygen_video_id, clock_timestamp() + p_dispatch_timeout, p_idempotency_key, p_request_hash
        )
        on conflict (business_id, idempotency_key) where idempotency_key is not null do nothing;
        exit when found;
        -- The same key came with another content a moment ago, and holds another content's lock.
        select g.* into v_earlier from ai_avatar.generations as g
        where g.business_id = p_business_id and g.idempotency_key = p_idempotency_key;
        if found then
            return query select s.* from ai_avatar.replay_generation(v_earlier.id, p_request_hash) as s;
            return;
        end if;
        -- It has been rolled back since, and the key is free again.
    end loop;
    update public.content as c set heygen_status = 'processing' where c.id = p_content_id;

    return query select s.* from ai_avatar.generation_states as s where s.id = p_id;
end;
$$;
comment on function ai_avatar.start_generation(uuid, uuid, uuid, text, text, interval, text, bytea) is
'Starts a generation and marks its content, or replays an earlier one: the answer then has another id than p_id';

create function ai_avatar.replay_generation(p_generation_id uuid, p_request_hash bytea)
returns setof ai_avatar.generation_states language plpgsql stable set search_path = '' as $$
begin
    if not exists (
        select from ai_avatar.generations as g
        where g.id = p_generation_id and g.request_hash = p_request_hash
    ) then
        raise exception 'Idempotency key reused' using errcode = 'AV012';
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

create function ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
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
comment on function ai_avatar.confirm_dispatch(uuid, interval) is
'n8n said yes: dispatching becomes processing; anything that has happened meanwhile stands';

create function ai_avatar.next_deadline(p_requested_at timestamptz, p_timeout interval)
returns timestamptz language sql stable set search_path = '' as $$
    select least(now() + p_timeout, p_requested_at + interval '24 hours')
$$;

create function ai_avatar.roll_back_dispatch(p_generation_id uuid, p_error text)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
declare
    v_generation ai_avatar.generations;
begin
    perform from public.content as c
    where c.id = (select g.content_id from ai_avatar.generations as g where g.id = p_generation_id)
    for no key update;
    -- The claim decides: once n8n has asked for the key, the job runs, whatever became of the webhook's answer.
    -- The key is freed, because the retry that it exists for must work.
    update ai_avatar.generations as g
    set status = 'failed', ended_by = 'webhook', error = p_error, idempotency_key = null
    where g.id = p_generation_id and g.status = 'dispatching' and g.claimed_at is null
    returning g.* into v_generation;
    if found then
        perform ai_avatar.restore_content(v_generation, null);
    else
        -- Cancelled or expired before n8n said no: it was never accepted either.
        update ai_avatar.generations as g set idempotency_key = null
        where g.id = p_generation_id and g.claimed_at is null and g.status not in ('dispatching', 'processing');
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;
comment on function ai_avatar.roll_back_dispatch(uuid, text) is
'n8n did not take the job: dispatching and unclaimed becomes failed, and the content what it was; else a no-op';

-- Raises what keeps p_execution_id from going on with a generation that lives; the caller holds its lock.
create function ai_avatar.check_claim(p_generation ai_avatar.generations, p_execution_id text)
returns void language plpgsql set search_path = '' as $$
begin
    if p_generation.status not in ('dispatching', 'processing') then
        raise exception 'Generation closed' using errcode = 'AV011';
    end if;
    -- n8n is known to run one webhook twice: only one of the two may go on. An execution without an id cannot
    -- show that it is the same one.
    if p_generation.claimed_at is not null and (p_generation.claimed_by = p_execution_id) is not true then
        raise exception 'Generation already claimed' using errcode = 'AV009';
    end if;
end;
$$;

create function ai_avatar.claim_credentials(
    p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval,
    p_caller text, p_purpose text, p_request_id text, p_address text
)
returns table (
    business_id uuid, provider text, secret text, secret_updated_at timestamptz, avatar_id text, voice_id text,
    provider_config jsonb, script text, video_id text
)
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_generation ai_avatar.generations;
    v_business_id uuid := p_business_id;
begin
    if p_generation_id is not null then
        select g.* into v_generation from ai_avatar.generations as g
        where g.id = p_generation_id and g.provider = p_provider
            and (p_business_id is null or g.business_id = p_business_id)
        for update;
        if not found then
            raise exception 'No such generation' using errcode = 'AV003';
        end if;
        perform ai_avatar.check_claim(v_generation, p_execution_id);
        v_business_id := v_generation.business_id;
        if v_generation.claimed_at is null then
            update ai_avatar.generations as g
            set status = 'processing', claimed_at = now(), claimed_by = p_execution_id,
                deadline = ai_avatar.next_deadline(g.requested_at, p_timeout)
            where g.id = p_generation_id;
        end if;
    end if;

    return query
    select ai.business_id, ai.provider, s.decrypted_secret::text, s.updated_at, ai.avatar_id, ai.voice_id,
        case when jsonb_typeof(ai.provider_config) = 'object' then ai.provider_config else '{}' end,
        v_generation.script, v_generation.video_id
    from public.ai_avatar_integrations as ai
    join vault.decrypted_secrets as s on s.id = ai.secret_id
    where ai.business_id = v_business_id and ai.provider = p_provider and ai.status = 'active';
    if not found then
        raise exception 'No such integration' using errcode = 'AV001';
    end if;
    insert into ai_avatar.secret_reads (
        business_id, provider, caller, purpose, generation_id, request_id, address
    ) values (v_business_id, p_provider, p_caller, p_purpose, p_generation_id, p_request_id, p_address);
end;
$$;
comment on function
ai_avatar.claim_credentials(uuid, text, uuid, text, interval, text, text, text, text) is
'The active integration with its key, recorded; with a generation, the claim of it by an execution';

create function ai_avatar.reserve_create(p_generation_id uuid, p_lease interval)
returns text language plpgsql security definer set search_path = '' as $$
declare
    v_generation ai_avatar.generations;
begin
    select g.* into v_generation from ai_avatar.generations as g where g.id = p_generation_id for update;
    if v_generation.video_id is not null or v_generation.status not in ('dispatching', 'processing') then
        return 'settled';
    end if;
    if v_generation.video_requested_at is null then
        update ai_avatar.generations as g set video_requested_at = now() where g.id = p_generation_id;
        return 'granted';
    end if;
    return case when v_generation.video_requested_at > now() - p_lease then 'pending' else 'unknown' end;
end;
$$;
comment on function ai_avatar.reserve_create(uuid, interval) is
'begin: this call, and no other, may ask the provider for the video; wait: another is asking; unknown: another has
asked, more than p_lease ago, and nobody knows what came of it; decided: there is a video, or it is over';

create function ai_avatar.release_create(p_generation_id uuid)
returns void language plpgsql security definer set search_path = '' as $$
begin
    update ai_avatar.generations as g set video_requested_at = null
    where g.id = p_generation_id and g.video_id is null;
end;
$$;
comment on function ai_avatar.release_create(uuid) is 'The provider certainly made no video: another call may ask';

create function ai_avatar.report_generation(
    p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text,
    p_video_url text, p_error text, p_timeout interval
)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
declare
    v_generation ai_avatar.generations;
    v_id uuid := p_generation_id;
begin
    perform from public.content as c
    where c.id = coalesce(
            (select g.content_id from ai_avatar.generations as g where g.id = p_generation_id), p_content_id
        )
    for no key update;
    if v_id is null then
        -- The live one; where another execution has claimed that, the one that this execution had claimed before
        -- it; else the latest, whose last report may come twice, or late.
        select g.id into v_id from ai_avatar.generations as g
        where g.content_id = p_content_id and g.provider = p_provider
        order by
            g.status in ('dispatching', 'processing') and (g.claimed_by <> p_execution_id) is not true desc,
            (g.claimed_by = p_execution_id) is true desc,
            g.requested_at desc, g.id desc
        limit 1;
    end if;
    select g.* into v_generation from ai_avatar.generations as g
    where g.id = v_id and g.provider = p_provider
    for update;
    if not found then
        raise exception 'No such generation' using errcode = 'AV003';
    end if;
    if v_generation.claimed_by <> p_execution_id then
        raise exception 'Generation already claimed' using errcode = 'AV009';
    end if;

    if v_generation.status in ('dispatching', 'processing') then
        perform ai_avatar.move_live_generation(
            v_generation, p_execution_id, p_status, p_video_id, p_video_url, p_error, p_timeout
        );
    elsif v_generation.ended_by = 'cancel' then
        -- Closed, and the caller says so; not by an exception, which would lose what a paid video is found by.
        update ai_avatar.generations as g set video_id = coalesce(g.video_id, p_video_id) where g.id = v_id;
    elsif v_generation.ended_by = 'report' then
        -- Completed never changes; after a reported failure, a completion contradicts it.
        if v_generation.status = 'failed' and p_status = 'completed' then
            raise exception 'Generation closed' using errcode = 'AV011';
        end if;
    else
        perform ai_avatar.move_late_generation(v_generation, p_status, p_video_id, p_video_url);
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = v_id;
end;
$$;
comment on function
ai_avatar.report_generation(uuid, uuid, text, text, text, text, text, text, interval) is
'Moves a generation and its content on; the same report twice, and one that goes backwards, change nothing';

-- Both are called with the locks of the content and the generation held.
create function ai_avatar.move_live_generation(
    p_generation ai_avatar.generations, p_execution_id text, p_status text, p_video_id text, p_video_url text,
    p_error text, p_timeout interval
)
returns void language plpgsql set search_path = '' as $$
begin
    -- A report is a claim too: it says that this execution runs the job.
    update ai_avatar.generations as g
    set status = p_status,
        ended_by = case when p_status <> 'processing' then 'report' end,
        claimed_at = coalesce(g.claimed_at, now()),
        claimed_by = case when g.claimed_at is null then p_execution_id else g.claimed_by end,
        video_id = coalesce(p_video_id, g.video_id),
        video_url = case when p_status = 'completed' then p_video_url end,
        video_url_at = case when p_status = 'completed' then now() end,
        error = case when p_status = 'failed' then p_error end,
        completed_at = case when p_status = 'completed' then now() end,
        deadline = ai_avatar.next_deadline(g.requested_at, p_timeout)
    where g.id = p_generation.id;

    if p_status = 'completed' then
        -- Also when another application has moved the content on: a paid video is kept where it is looked for.
        update public.content as c
        set heygen_status = 'completed', heygen_video_id = coalesce(p_video_id, p_generation.video_id),
            heygen_url = p_video_url, error_message = null
        where c.id = p_generation.content_id;
    else
        update public.content as c
        set heygen_status = p_status,
            heygen_video_id = coalesce(p_video_id, c.heygen_video_id),
            error_message = case when p_status = 'failed' then p_error else c.error_message end
        where c.id = p_generation.content_id and c.heygen_status = 'processing';
    end if;
end;
$$;

create function ai_avatar.move_late_generation(
    p_generation ai_avatar.generations, p_status text, p_video_id text, p_video_url text
)
returns void language plpgsql set search_path = '' as $$
begin
    if p_status <> 'completed' then
        -- It stays ended; but what the provider calls the video is what a paid one is found again by.
        update ai_avatar.generations as g set video_id = coalesce(g.video_id, p_video_id)
        where g.id = p_generation.id;
        return;
    end if;
    update ai_avatar.generations as g
    set status = 'completed', ended_by = 'report', video_id = coalesce(p_video_id, g.video_id),
        video_url = p_video_url, video_url_at = now(), error = null, completed_at = now()
    where g.id = p_generation.id;
    update public.content as c
    set heygen_status = 'completed', heygen_video_id = coalesce(p_video_id, p_generation.video_id),
        heygen_url = p_video_url, error_message = null
    where c.id = p_generation.content_id
        and not exists (
            select from ai_avatar.generations as newer
            where newer.content_id = c.id
                and (newer.requested_at, newer.id) > (p_generation.requested_at, p_generation.id)
        );
end;
$$;

create function ai_avatar.cancel_generation(p_business_id uuid, p_content_id uuid)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
declare
    v_generation ai_avatar.generations;
begin
    perform from public.content as c
    where c.id = p_content_id and (p_business_id is null or c.business_id = p_business_id)
    for no key update;
    if found then
        update ai_avatar.generations as g
        set status = 'failed', ended_by = 'cancel', error = 'cancelled'
        where g.content_id = p_content_id and g.status in ('dispatching', 'processing')
        returning g.* into v_generation;
    end if;
    if v_generation.id is null then
        raise exception 'No live generation' using errcode = 'AV003';
    end if;
    perform ai_avatar.restore_content(v_generation, null);
    return query select s.* from ai_avatar.generation_states as s where s.id = v_generation.id;
end;
$$;

create function ai_avatar.expire_generations(p_limit integer)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
declare
    v_generation ai_avatar.generations;
    v_message text;
begin
    -- Any number of instances may call this at once: each skips what another holds.
    for v_generation in
        select g.*
        from ai_avatar.generations as g
        join public.content as c on c.id = g.content_id
        where g.status in ('dispatching', 'processing') and g.deadline < now()
        order by g.deadline
        limit p_limit
        for no key update of c, g skip locked
    loop
        v_message := case v_generation.status
            when 'dispatching' then 'The video generation could not be started. Please try again.'
            else 'The video generation did not report back in time.'
        end;
        -- Still dispatching, it was never accepted: its key is free for the retry that it exists for.
        update ai_avatar.generations as g
        set status = 'expired', ended_by = 'deadline', error = v_message,
            idempotency_key = case when v_generation.status <> 'dispatching' then g.idempotency_key end
        where g.id = v_generation.id;
        perform ai_avatar.restore_content(v_generation, v_message);
        return query select s.* from ai_avatar.generation_states as s where s.id = v_generation.id;
    end loop;
end;
$$;
comment on function ai_avatar.expire_generations(integer) is
'Ends what lives past its deadline and puts the contents back; SKIP LOCKED, so that any number may call it';

create function ai_avatar.refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text)
returns setof ai_avatar.generation_states language plpgsql security definer set search_path = '' as $$
declare
    v_generation ai_avatar.generations;
begin
    perform from public.content as c
    where c.id = (select g.content_id from ai_avatar.generations as g where g.id = p_generation_id)
    for no key update;
    update ai_avatar.generations as g set video_url = p_video_url, video_url_at = now()
    where g.id = p_generation_id and g.status = 'completed' and g.video_id = p_video_id
    returning g.* into v_generation;
    if found then
        update public.content as c set heygen_url = p_video_url
        where c.id = v_generation.content_id and c.heygen_video_id = p_video_id;
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;
comment on function ai_avatar.refresh_video_url(uuid, text, text) is
'The provider''s links die: a fresh one for the same video, in the generation and where the content shows it';

create function ai_avatar.get_latest_generation(p_business_id uuid, p_content_id uuid)
returns setof ai_avatar.generation_states language plpgsql stable security definer set search_path = '' as $$
begin
    return query
    select s.* from ai_avatar.generation_states as s
    where s.content_id = p_content_id and (p_business_id is null or s.business_id = p_business_id)
    order by s.requested_at desc, s.id desc
    limit 1;
end;
$$;

create function ai_avatar.get_latest_generations(p_content_ids uuid[])
returns setof ai_avatar.generation_states language plpgsql stable security definer set search_path = '' as $$
begin
    return query
    select latest.*
    from unnest(p_content_ids) as wanted (content_id)
    cross join lateral (
        select s.* from ai_avatar.generation_states as s
        where s.content_id = wanted.content_id
        order by s.requested_at desc, s.id desc
        limit 1
    ) as latest;
end;
$$;
comment on function ai_avatar.get_latest_generations(uuid[]) is
'The latest generation of each content: one call for all the event streams of a process';

create function ai_avatar.list_videos(
    p_business_id uuid, p_heygen_status text, p_before_created_at timestamptz, p_before_id uuid, p_limit integer
)
returns table (
    content_id uuid, content_title text, video_script text, heygen_status text, heygen_url text,
    created_at timestamptz, generation jsonb
)
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_column
begin
    return query
    select c.id, c.content_title::text, c.video_script::text, c.heygen_status::text, c.heygen_url::text,
        coalesce(c.created_at, to_timestamp(0)), to_jsonb(latest)
    from public.content as c
    left join lateral (
        select s.* from ai_avatar.generation_states as s
        where s.content_id = c.id
        order by s.requested_at desc, s.id desc
        limit 1
    ) as latest on true
    where c.business_id = p_business_id
        and (p_heygen_status is null or c.heygen_status = p_heygen_status)
        and (
            p_before_id is null
            or (coalesce(c.created_at, to_timestamp(0)), c.id) < (p_before_created_at, p_before_id)
        )
    order by coalesce(c.created_at, to_timestamp(0)) desc, c.id desc
    limit p_limit;
end;
$$;
comment on function ai_avatar.list_videos(uuid, text, timestamptz, uuid, integer) is
'A page of the contents of a business, newest first, each with its latest generation or NULL';

revoke all on table ai_avatar.generations, ai_avatar.generation_states
from public, anon, authenticated, service_role, ai_avatar_service;
grant select on table ai_avatar.generations to service_role;
revoke all on function
ai_avatar.get_generation(uuid),
ai_avatar.restore_content(ai_avatar.generations, text),
ai_avatar.start_generation(uuid, uuid, uuid, text, text, interval, text, bytea),
ai_avatar.replay_generation(uuid, bytea),
ai_avatar.confirm_dispatch(uuid, interval),
ai_avatar.next_deadline(timestamptz, interval),
ai_avatar.roll_back_dispatch(uuid, text),
ai_avatar.check_claim(ai_avatar.generations, text),
ai_avatar.claim_credentials(uuid, text, uuid, text, interval, text, text, text, text),
ai_avatar.reserve_create(uuid, interval),
ai_avatar.release_create(uuid),
ai_avatar.report_generation(uuid, uuid, text, text, text, text, text, text, interval),
ai_avatar.move_live_generation(ai_avatar.generations, text, text, text, text, text, interval),
ai_avatar.move_late_generation(ai_avatar.generations, text, text, text),
ai_avatar.cancel_generation(uuid, uuid),
ai_avatar.expire_generations(integer),
ai_avatar.refresh_video_url(uuid, text, text),
ai_avatar.get_latest_generation(uuid, uuid),
ai_avatar.get_latest_generations(uuid[]),
ai_avatar.list_videos(uuid, text, timestamptz, uuid, integer)
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.get_generation(uuid),
ai_avatar.start_generation(uuid, uuid, uuid, text, text, interval, text, bytea),
ai_avatar.confirm_dispatch(uuid, interval),
ai_avatar.roll_back_dispatch(uuid, text),
ai_avatar.claim_credentials(uuid, text, uuid, text, interval, text, text, text, text),
ai_avatar.reserve_create(uuid, interval),
ai_avatar.release_create(uuid),
ai_avatar.report_generation(uuid, uuid, text, text, text, text, text, text, interval),
ai_avatar.cancel_generation(uuid, uuid),
ai_avatar.expire_generations(integer),
ai_avatar.refresh_video_url(uuid, text, text),
ai_avatar.get_latest_generation(uuid, uuid),
ai_avatar.get_latest_generations(uuid[]),
ai_avatar.list_videos(uuid, text, timestamptz, uuid, integer)
to service_role, ai_avatar_service;
