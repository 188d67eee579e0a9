-- What the migrations add up to on an empty PostgreSQL 18: for readers, and for the review of a migration.
-- Nothing runs this file. `make schema` writes it from a migrated database, and a test compares the two.

-- SCHEMA ai_avatar
CREATE SCHEMA ai_avatar;

-- SCHEMA auth
CREATE SCHEMA auth;

-- SCHEMA vault
CREATE SCHEMA vault;

-- TABLE ai_avatar.generations
CREATE TABLE ai_avatar.generations (
    id uuid NOT NULL,
    business_id uuid NOT NULL,
    content_id uuid NOT NULL,
    provider text NOT NULL,
    script text NOT NULL,
    avatar jsonb,
    voice jsonb,
    status text DEFAULT 'dispatching'::text NOT NULL,
    ended_by text,
    webhook_timed_out boolean DEFAULT false NOT NULL,
    previous_heygen_status text,
    previous_heygen_video_id text,
    claimed_at timestamp with time zone,
    claimed_by text,
    create_token uuid,
    create_leased_at timestamp with time zone,
    create_unknown_since timestamp with time zone,
    create_key_hash bytea,
    video_id text,
    video_url text,
    video_url_at timestamp with time zone,
    thumbnail_url text,
    duration_seconds double precision,
    captioned_video_url text,
    subtitle_url text,
    error text,
    error_code text,
    content_error text,
    content_error_at timestamp with time zone,
    idempotency_key text,
    request_hash bytea,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    dispatched_at timestamp with time zone,
    completed_at timestamp with time zone,
    ended_at timestamp with time zone,
    deadline timestamp with time zone NOT NULL,
    check_token uuid,
    next_check_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    late_checks integer DEFAULT 0 NOT NULL,
    CONSTRAINT generations_duration_seconds_check CHECK ((duration_seconds >= (0)::double precision)),
    CONSTRAINT generations_ended_by_check CHECK ((ended_by = ANY (ARRAY['webhook'::text, 'report'::text, 'cancel'::text, 'deadline'::text, 'superseded'::text]))),
    CONSTRAINT generations_status_check CHECK ((status = ANY (ARRAY['dispatching'::text, 'processing'::text, 'completed'::text, 'failed'::text, 'expired'::text])))
);

-- COMMENT ai_avatar.TABLE generations
COMMENT ON TABLE ai_avatar.generations IS 'One attempt to make a video of a content item; at most one is live per content item';

-- COMMENT ai_avatar.COLUMN generations.avatar
COMMENT ON COLUMN ai_avatar.generations.avatar IS 'Id and name of the avatar that speaks: the chosen one at the start, then the one that n8n or the broker was given';

-- COMMENT ai_avatar.COLUMN generations.voice
COMMENT ON COLUMN ai_avatar.generations.voice IS 'As avatar; NULL for the avatar''s own voice';

-- COMMENT ai_avatar.COLUMN generations.ended_by
COMMENT ON COLUMN ai_avatar.generations.ended_by IS 'What ended it; a generation ended by the webhook, the deadline or a newer change may still become completed';

-- COMMENT ai_avatar.COLUMN generations.webhook_timed_out
COMMENT ON COLUMN ai_avatar.generations.webhook_timed_out IS 'Whether the webhook failed by a timeout (504) or by a refusal (502): a replay of the request answers the same';

-- COMMENT ai_avatar.COLUMN generations.previous_heygen_status
COMMENT ON COLUMN ai_avatar.generations.previous_heygen_status IS 'The value to which content.heygen_status is restored; never processing';

-- COMMENT ai_avatar.COLUMN generations.claimed_by
COMMENT ON COLUMN ai_avatar.generations.claimed_by IS 'The n8n execution that may continue; NULL when it sent no id';

-- COMMENT ai_avatar.COLUMN generations.create_token
COMMENT ON COLUMN ai_avatar.generations.create_token IS 'Broker mode: the call that last reserved the right to request the video from the provider';

-- COMMENT ai_avatar.COLUMN generations.create_leased_at
COMMENT ON COLUMN ai_avatar.generations.create_leased_at IS 'When that call reserved it; NULL once the call has released it';

-- COMMENT ai_avatar.COLUMN generations.create_unknown_since
COMMENT ON COLUMN ai_avatar.generations.create_unknown_since IS 'When the first request was made of which it is not known whether it created a video';

-- COMMENT ai_avatar.COLUMN generations.create_key_hash
COMMENT ON COLUMN ai_avatar.generations.create_key_hash IS 'SHA-256 of the stored, sealed key that the video was last requested with';

-- COMMENT ai_avatar.COLUMN generations.error_code
COMMENT ON COLUMN ai_avatar.generations.error_code IS 'The provider''s own code of its last refusal or failure; generation_states shows what ended the generation';

-- COMMENT ai_avatar.COLUMN generations.content_error
COMMENT ON COLUMN ai_avatar.generations.content_error IS 'Why the database refused to change the content item, without values; NULL since a change that it accepted';

-- COMMENT ai_avatar.COLUMN generations.requested_at
COMMENT ON COLUMN ai_avatar.generations.requested_at IS 'Set while the content item is locked, so that the latest generation is the one that was started last';

-- COMMENT ai_avatar.COLUMN generations.ended_at
COMMENT ON COLUMN ai_avatar.generations.ended_at IS 'Set by the trigger; a late completion ends it once more';

-- COMMENT ai_avatar.COLUMN generations.deadline
COMMENT ON COLUMN ai_avatar.generations.deadline IS 'When it expires without news, if it is still live';

-- COMMENT ai_avatar.COLUMN generations.check_token
COMMENT ON COLUMN ai_avatar.generations.check_token IS 'The call that last leased the question to the provider for the video; NULL since news came from elsewhere';

-- COMMENT ai_avatar.COLUMN generations.next_check_at
COMMENT ON COLUMN ai_avatar.generations.next_check_at IS 'The service does not ask the provider for the video before this time';

-- COMMENT ai_avatar.COLUMN generations.late_checks
COMMENT ON COLUMN ai_avatar.generations.late_checks IS 'How often the provider was asked since the generation ended; the pauses grow with it';

-- TABLE public.content
CREATE TABLE public.content (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    business_id uuid NOT NULL,
    content_title text,
    video_script text,
    status text,
    heygen_status text,
    heygen_video_id text,
    heygen_url text,
    error_message text,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now()
);

-- VIEW ai_avatar.generation_states
CREATE VIEW ai_avatar.generation_states AS
 SELECT g.id,
    g.business_id,
    g.content_id,
    g.provider,
    g.status,
        CASE
            WHEN (c.business_id = g.business_id) THEN c.heygen_status
            ELSE NULL::text
        END AS heygen_status,
    g.video_id,
    g.video_url,
    g.thumbnail_url,
    g.duration_seconds,
    g.captioned_video_url,
    g.subtitle_url,
    g.error,
        CASE
            WHEN (g.ended_by = 'cancel'::text) THEN 'cancelled'::text
            WHEN (g.ended_by = 'webhook'::text) THEN 'webhook_failed'::text
            WHEN (g.status = 'expired'::text) THEN 'expired'::text
            WHEN (g.status = 'failed'::text) THEN g.error_code
            ELSE NULL::text
        END AS error_code,
    g.script,
    g.avatar,
    g.voice,
    g.requested_at,
    g.dispatched_at,
    g.completed_at,
    g.ended_at,
    g.ended_by,
    g.webhook_timed_out,
    g.video_url_at,
        CASE
            WHEN (g.content_error_at = now()) THEN g.content_error
            ELSE NULL::text
        END AS new_content_error,
    c.business_id AS content_business_id
   FROM (ai_avatar.generations g
     JOIN public.content c ON ((c.id = g.content_id)));

-- COMMENT ai_avatar.VIEW generation_states
COMMENT ON VIEW ai_avatar.generation_states IS 'A generation with the current status of its content item';

-- FUNCTION ai_avatar.cancel_generation(uuid, uuid, boolean)
CREATE FUNCTION ai_avatar.cancel_generation(p_business_id uuid, p_content_id uuid, p_touch_content boolean) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- FUNCTION ai_avatar.check_caller(uuid, boolean)
CREATE FUNCTION ai_avatar.check_caller(p_business_id uuid, p_back_end_only boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if ai_avatar.is_back_end() then
        return;
    end if;
    if p_back_end_only or (p_business_id = ai_avatar.own_business_id()) is not true then
        raise exception 'Not your business' using errcode = '42501';
    end if;
end;
$$;

-- COMMENT ai_avatar.FUNCTION check_caller(p_business_id uuid, p_back_end_only boolean)
COMMENT ON FUNCTION ai_avatar.check_caller(p_business_id uuid, p_back_end_only boolean) IS 'Raises 42501 unless the caller is a back end (it may use the schema ai_avatar) or, where users are allowed, a
signed-in user of that business';

-- FUNCTION ai_avatar.check_claim(ai_avatar.generations, text)
CREATE FUNCTION ai_avatar.check_claim(p_generation ai_avatar.generations, p_execution_id text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_generation.status not in ('dispatching', 'processing') then
        raise exception 'Generation closed' using errcode = 'AV011';
    end if;
    -- n8n sometimes runs one webhook twice: only one of the two may continue. An execution without an id cannot prove
    -- that it is the claimant.
    if p_generation.claimed_at is not null and (p_generation.claimed_by = p_execution_id) is not true then
        raise exception 'Generation already claimed' using errcode = 'AV009';
    end if;
end;
$$;

-- FUNCTION ai_avatar.claim_credentials(uuid, text, uuid, text, interval, text, text, text, text)
CREATE FUNCTION ai_avatar.claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text) RETURNS TABLE(business_id uuid, provider text, sealed_key text, avatar_id text, voice_id text, provider_config jsonb, script text, video_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
#variable_conflict use_column
declare
    v_generation ai_avatar.generations;
    v_business_id uuid := p_business_id;
    v_sealed_key text;
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
        -- The integration may have changed since the start, and until there is a video, what is handed out counts.
        update ai_avatar.generations as g
        set status = 'processing', claimed_at = coalesce(g.claimed_at, now()), claimed_by = p_execution_id,
            deadline = case
                when g.claimed_at is null then ai_avatar.next_deadline(g.requested_at, p_timeout)
                else g.deadline
            end,
            avatar = i.avatar, voice = i.voice
        from ai_avatar.integration_choices as i
        where g.id = p_generation_id and i.business_id = g.business_id and i.provider = g.provider and (
            g.claimed_at is null or g.video_id is null and (g.avatar, g.voice) is distinct from (i.avatar, i.voice)
        );
    end if;
    v_sealed_key := public.get_ai_avatar_secret(
        v_business_id, p_provider, p_caller => p_caller, p_purpose => p_purpose, p_generation_id => p_generation_id,
        p_request_id => p_request_id, p_address => p_address
    );
    return query
    select i.business_id, i.provider, v_sealed_key, i.avatar_id, i.voice_id, i.provider_config,
        v_generation.script, v_generation.video_id
    from ai_avatar.integrations as i
    where v_sealed_key is not null and i.business_id = v_business_id and i.provider = p_provider;
    if not found then
        perform from public.ai_avatar_integrations as ai
        where ai.business_id = v_business_id and ai.provider = p_provider and ai.secret_id is not null;
        raise exception 'No active integration' using errcode = case when found then 'AV016' else 'AV001' end;
    end if;
end;
$$;

-- COMMENT ai_avatar.FUNCTION claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text)
COMMENT ON FUNCTION ai_avatar.claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text) IS 'Returns the active integration with its stored key and records the read; with a generation, claims it';

-- FUNCTION ai_avatar.confirm_dispatch(uuid, interval)
CREATE FUNCTION ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION confirm_dispatch(p_generation_id uuid, p_timeout interval)
COMMENT ON FUNCTION ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval) IS 'n8n accepted the job: dispatching becomes processing; any other status stays';

-- FUNCTION ai_avatar.count_live_generations()
CREATE FUNCTION ai_avatar.count_live_generations() RETURNS TABLE(status text, generations bigint, oldest_seconds double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    return query
    select g.status::text, count(*), extract(epoch from now() - min(g.requested_at))::double precision
    from ai_avatar.generations as g
    where g.status in ('dispatching', 'processing')
    group by g.status;
end;
$$;

-- COMMENT ai_avatar.FUNCTION count_live_generations()
COMMENT ON FUNCTION ai_avatar.count_live_generations() IS 'Live generations by status, and the age of the oldest; a status without any is left out';

-- FUNCTION ai_avatar.count_secrets()
CREATE FUNCTION ai_avatar.count_secrets() RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (select count(*) from public.ai_avatar_integrations as ai where ai.secret_id is not null);
end;
$$;

-- FUNCTION ai_avatar.delete_before_truncate()
CREATE FUNCTION ai_avatar.delete_before_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    delete from public.ai_avatar_integrations;
    return null;
end;
$$;

-- FUNCTION ai_avatar.delete_orphaned_secret()
CREATE FUNCTION ai_avatar.delete_orphaned_secret() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    delete from vault.secrets as s
    where s.id = old.secret_id
        and not exists (select from public.ai_avatar_integrations as ai where ai.secret_id = s.id);
    return null;
end;
$$;

-- FUNCTION ai_avatar.end_video_checks(uuid, uuid)
CREATE FUNCTION ai_avatar.end_video_checks(p_generation_id uuid, p_token uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
begin
    update ai_avatar.generations as g set next_check_at = 'infinity'
    where g.id = p_generation_id and g.check_token = p_token;
end;
$$;

-- COMMENT ai_avatar.FUNCTION end_video_checks(p_generation_id uuid, p_token uuid)
COMMENT ON FUNCTION ai_avatar.end_video_checks(p_generation_id uuid, p_token uuid) IS 'The provider has no video of this generation, or it failed there; no effect once p_token has lost its lease';

-- FUNCTION ai_avatar.expire_generations(integer, uuid, boolean)
CREATE FUNCTION ai_avatar.expire_generations(p_limit integer, p_generation_id uuid DEFAULT NULL::uuid, p_touch_content boolean DEFAULT true) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION expire_generations(p_limit integer, p_generation_id uuid, p_touch_content boolean)
COMMENT ON FUNCTION ai_avatar.expire_generations(p_limit integer, p_generation_id uuid, p_touch_content boolean) IS 'Expires live generations that are past their deadline, or one of them, and restores their content items; safe to
call concurrently';

-- FUNCTION ai_avatar.find_replay(uuid, text, bytea)
CREATE FUNCTION ai_avatar.find_replay(p_business_id uuid, p_idempotency_key text, p_request_hash bytea) RETURNS SETOF ai_avatar.generations
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- FUNCTION ai_avatar.get_generation(uuid)
CREATE FUNCTION ai_avatar.get_generation(p_generation_id uuid) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

-- FUNCTION ai_avatar.get_latest_generation(uuid, uuid)
CREATE FUNCTION ai_avatar.get_latest_generation(p_business_id uuid, p_content_id uuid) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    select s.* from ai_avatar.generation_states as s
    where s.content_id = p_content_id and s.business_id = s.content_business_id
        and (p_business_id is null or s.business_id = p_business_id)
    order by s.requested_at desc, s.id desc
    limit 1;
end;
$$;

-- FUNCTION ai_avatar.get_latest_generations(uuid[])
CREATE FUNCTION ai_avatar.get_latest_generations(p_content_ids uuid[]) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    select latest.*
    from unnest(p_content_ids) as wanted (content_id)
    cross join lateral (
        select s.* from ai_avatar.generation_states as s
        where s.content_id = wanted.content_id and s.business_id = s.content_business_id
        order by s.requested_at desc, s.id desc
        limit 1
    ) as latest;
end;
$$;

-- COMMENT ai_avatar.FUNCTION get_latest_generations(p_content_ids uuid[])
COMMENT ON FUNCTION ai_avatar.get_latest_generations(p_content_ids uuid[]) IS 'The latest generation of each content item: one call serves all event streams of a process';

-- FUNCTION ai_avatar.get_membership(uuid)
CREATE FUNCTION ai_avatar.get_membership(p_user_id uuid) RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (select p.business_id from public.profiles as p where p.id = p_user_id);
end;
$$;

-- COMMENT ai_avatar.FUNCTION get_membership(p_user_id uuid)
COMMENT ON FUNCTION ai_avatar.get_membership(p_user_id uuid) IS 'The business of a user (profiles.business_id), or NULL';

-- FUNCTION ai_avatar.get_memberships(uuid[])
CREATE FUNCTION ai_avatar.get_memberships(p_user_ids uuid[]) RETURNS TABLE(user_id uuid, business_id uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    select p.id, p.business_id from public.profiles as p
    where p.id = any(p_user_ids) and p.business_id is not null;
end;
$$;

-- COMMENT ai_avatar.FUNCTION get_memberships(p_user_ids uuid[])
COMMENT ON FUNCTION ai_avatar.get_memberships(p_user_ids uuid[]) IS 'The businesses of these users; users without one are left out';

-- FUNCTION ai_avatar.get_readiness(integer)
CREATE FUNCTION ai_avatar.get_readiness(p_samples integer) RETURNS TABLE(revision text, samples jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_samples jsonb := '[]';
    v_key_id text;
begin
    if p_samples > 0 then
        -- One step through the index for each id, of which there are few.
        select min(d.sealing_key_id) into v_key_id from ai_avatar.integration_details as d;
        while v_key_id is not null loop
            v_samples := v_samples || ai_avatar.sample_sealed_keys(v_key_id, p_samples);
            select min(d.sealing_key_id) into v_key_id from ai_avatar.integration_details as d
            where d.sealing_key_id > v_key_id;
        end loop;
    end if;
    return query select ai_avatar.schema_revision(), v_samples;
end;
$$;

-- COMMENT ai_avatar.FUNCTION get_readiness(p_samples integer)
COMMENT ON FUNCTION ai_avatar.get_readiness(p_samples integer) IS 'The revision, and the latest p_samples stored keys of each sealing key: [] for 0';

-- FUNCTION ai_avatar.is_back_end()
CREATE FUNCTION ai_avatar.is_back_end() RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- `role` is what PostgREST switched to, also inside a definer function; on a direct login it is 'none'. Claims do
    -- not count: anyone who can run SQL can set them.
    return has_schema_privilege(
        case current_setting('role') when 'none' then session_user else current_setting('role')::name end,
        'ai_avatar', 'usage'
    );
end;
$$;

-- COMMENT ai_avatar.FUNCTION is_back_end()
COMMENT ON FUNCTION ai_avatar.is_back_end() IS 'Whether the caller is a back end: it may use the schema ai_avatar';

-- FUNCTION ai_avatar.keep_integration_details()
CREATE FUNCTION ai_avatar.keep_integration_details() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if tg_op = 'DELETE' then
        delete from ai_avatar.integration_details as d where d.integration_id = old.id;
    else
        insert into ai_avatar.integration_details (integration_id) values (new.id);
    end if;
    return null;
end;
$$;

-- COMMENT ai_avatar.FUNCTION keep_integration_details()
COMMENT ON FUNCTION ai_avatar.keep_integration_details() IS 'Creates and deletes the details with their integration';

-- FUNCTION ai_avatar.lease_key_checks(interval, interval, integer)
CREATE FUNCTION ai_avatar.lease_key_checks(p_period interval, p_lease interval, p_limit integer) RETURNS TABLE(business_id uuid, provider text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION lease_key_checks(p_period interval, p_lease interval, p_limit integer)
COMMENT ON FUNCTION ai_avatar.lease_key_checks(p_period interval, p_lease interval, p_limit integer) IS 'Integrations whose keys are due for a check, leased to the caller; SKIP LOCKED, so that any number may call it';

-- FUNCTION ai_avatar.lease_video_checks(integer, uuid, uuid)
CREATE FUNCTION ai_avatar.lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_ids uuid[];
begin
    select array_agg(due.id) into v_ids
    from (
        select g.id from ai_avatar.generations as g
        where p_generation_id is null
            and g.video_id is not null
            and (
                g.status in ('dispatching', 'processing', 'expired')
                or g.status = 'failed' and g.ended_by = 'webhook'
            )
            and g.deadline between now() - interval '24 hours' and now()
            and g.next_check_at <= now()
        order by g.next_check_at
        limit p_limit
        for update skip locked
    ) as due;
    if p_generation_id is not null then
        select array_agg(named.id) into v_ids
        from (
            select g.id from ai_avatar.generations as g
            where g.id = p_generation_id and g.video_id is not null and g.next_check_at <= now()
            for update skip locked
        ) as named;
    end if;
    -- The lease is the time until the next question: longer than a provider's call may take. The pauses grow once the
    -- generation has ended.
    update ai_avatar.generations as g
    set check_token = p_token,
        next_check_at = now() + least(interval '1 minute' * power(2, g.late_checks), interval '1 hour'),
        late_checks = g.late_checks + case when g.status in ('expired', 'failed') then 1 else 0 end
    where g.id = any (v_ids);
    return query select s.* from ai_avatar.generation_states as s where s.id = any (v_ids);
end;
$$;

-- COMMENT ai_avatar.FUNCTION lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid)
COMMENT ON FUNCTION ai_avatar.lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid) IS 'Generations of which the provider is to be asked now, by this caller and no other: those past their deadline, for 24
hours, or the named one; a generation is leased at most once a minute, to p_token';

-- TABLE ai_avatar.integration_details
CREATE TABLE ai_avatar.integration_details (
    integration_id uuid NOT NULL,
    api_key_last4 text,
    api_key_set_at timestamp with time zone,
    secret_updated_at timestamp with time zone,
    sealing_key_id text,
    avatar jsonb,
    voice jsonb,
    next_key_check_at timestamp with time zone,
    key_rejected_at timestamp with time zone
);

-- COMMENT ai_avatar.TABLE integration_details
COMMENT ON TABLE ai_avatar.integration_details IS 'What is shown with an integration beyond the original plan''s columns, and when its key is checked next';

-- COMMENT ai_avatar.COLUMN integration_details.api_key_set_at
COMMENT ON COLUMN ai_avatar.integration_details.api_key_set_at IS 'When the key was stored; sealing it again does not change it';

-- COMMENT ai_avatar.COLUMN integration_details.secret_updated_at
COMMENT ON COLUMN ai_avatar.integration_details.secret_updated_at IS 'updated_at of the secret that the two before belong to: another application may replace it in the vault';

-- COMMENT ai_avatar.COLUMN integration_details.sealing_key_id
COMMENT ON COLUMN ai_avatar.integration_details.sealing_key_id IS 'The entry of SECRETS_KEYS that sealed the stored key; NULL unless a back end stored it';

-- COMMENT ai_avatar.COLUMN integration_details.avatar
COMMENT ON COLUMN ai_avatar.integration_details.avatar IS 'Id, name and preview of an avatar that was chosen; outdated when its id is no longer avatar_id';

-- COMMENT ai_avatar.COLUMN integration_details.voice
COMMENT ON COLUMN ai_avatar.integration_details.voice IS 'As avatar';

-- COMMENT ai_avatar.COLUMN integration_details.next_key_check_at
COMMENT ON COLUMN ai_avatar.integration_details.next_key_check_at IS 'NULL: not scheduled yet';

-- COMMENT ai_avatar.COLUMN integration_details.key_rejected_at
COMMENT ON COLUMN ai_avatar.integration_details.key_rejected_at IS 'When the scheduled check met a rejection that the next check must confirm';

-- TABLE public.ai_avatar_integrations
CREATE TABLE public.ai_avatar_integrations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    business_id uuid NOT NULL,
    provider text NOT NULL,
    secret_id uuid,
    avatar_id text,
    voice_id text,
    provider_config jsonb DEFAULT '{}'::jsonb,
    status text DEFAULT 'active'::text,
    validated_at timestamp with time zone,
    last_synced_at timestamp with time zone,
    CONSTRAINT ai_avatar_integrations_provider_check CHECK ((provider = ANY (ARRAY['heygen'::text, 'tavus'::text]))),
    CONSTRAINT ai_avatar_integrations_status_check CHECK ((status = ANY (ARRAY['active'::text, 'inactive'::text, 'error'::text])))
);

-- COMMENT public.TABLE ai_avatar_integrations
COMMENT ON TABLE public.ai_avatar_integrations IS 'AI avatar video generation service integrations (HeyGen, future providers)';

-- COMMENT public.COLUMN ai_avatar_integrations.business_id
COMMENT ON COLUMN public.ai_avatar_integrations.business_id IS 'Reference to the business that owns this integration';

-- COMMENT public.COLUMN ai_avatar_integrations.provider
COMMENT ON COLUMN public.ai_avatar_integrations.provider IS 'AI avatar service provider (heygen)';

-- COMMENT public.COLUMN ai_avatar_integrations.secret_id
COMMENT ON COLUMN public.ai_avatar_integrations.secret_id IS 'Reference to encrypted API key in vault.secrets';

-- COMMENT public.COLUMN ai_avatar_integrations.avatar_id
COMMENT ON COLUMN public.ai_avatar_integrations.avatar_id IS 'Provider-specific avatar identifier';

-- COMMENT public.COLUMN ai_avatar_integrations.voice_id
COMMENT ON COLUMN public.ai_avatar_integrations.voice_id IS 'Provider-specific voice identifier';

-- COMMENT public.COLUMN ai_avatar_integrations.provider_config
COMMENT ON COLUMN public.ai_avatar_integrations.provider_config IS 'Additional provider-specific configuration';

-- COMMENT public.COLUMN ai_avatar_integrations.status
COMMENT ON COLUMN public.ai_avatar_integrations.status IS 'Integration status (active, inactive, error)';

-- TABLE vault.secrets
CREATE TABLE vault.secrets (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text,
    description text DEFAULT ''::text NOT NULL,
    secret text NOT NULL,
    key_id uuid,
    nonce bytea,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

-- VIEW ai_avatar.integrations
CREATE VIEW ai_avatar.integrations AS
 SELECT ai.id,
    ai.business_id,
    ai.provider,
    ai.avatar_id,
    ai.voice_id,
        CASE
            WHEN (jsonb_typeof(ai.provider_config) = 'object'::text) THEN ai.provider_config
            ELSE '{}'::jsonb
        END AS provider_config,
    COALESCE(ai.status, 'inactive'::text) AS status,
    (ai.secret_id IS NOT NULL) AS has_api_key,
        CASE
            WHEN ((ai.validated_at >= to_timestamp(('-62135596799'::bigint)::double precision)) AND (ai.validated_at <= to_timestamp(('253402300799'::bigint)::double precision))) THEN ai.validated_at
            ELSE NULL::timestamp with time zone
        END AS validated_at,
        CASE
            WHEN ((ai.last_synced_at >= to_timestamp(('-62135596799'::bigint)::double precision)) AND (ai.last_synced_at <= to_timestamp(('253402300799'::bigint)::double precision))) THEN ai.last_synced_at
            ELSE NULL::timestamp with time zone
        END AS last_synced_at,
    LEAST(GREATEST(COALESCE(ai.created_at, to_timestamp((0)::double precision)), to_timestamp(('-62135596799'::bigint)::double precision)), to_timestamp(('253402300799'::bigint)::double precision)) AS created_at,
    LEAST(GREATEST(COALESCE(ai.updated_at, ai.created_at, to_timestamp((0)::double precision)), to_timestamp(('-62135596799'::bigint)::double precision)), to_timestamp(('253402300799'::bigint)::double precision)) AS updated_at,
        CASE
            WHEN (s.updated_at = d.secret_updated_at) THEN d.api_key_last4
            ELSE NULL::text
        END AS api_key_last4,
        CASE
            WHEN (s.updated_at = d.secret_updated_at) THEN d.api_key_set_at
            ELSE s.updated_at
        END AS api_key_set_at,
        CASE
            WHEN ((d.avatar ->> 'id'::text) = ai.avatar_id) THEN d.avatar
            ELSE NULL::jsonb
        END AS avatar,
        CASE
            WHEN ((d.voice ->> 'id'::text) = ai.voice_id) THEN d.voice
            ELSE NULL::jsonb
        END AS voice
   FROM ((public.ai_avatar_integrations ai
     LEFT JOIN ai_avatar.integration_details d ON ((d.integration_id = ai.id)))
     LEFT JOIN vault.secrets s ON ((s.id = ai.secret_id)));

-- COMMENT ai_avatar.VIEW integrations
COMMENT ON VIEW ai_avatar.integrations IS 'An integration as the service returns it, without its key';

-- FUNCTION ai_avatar.list_all_integrations(text, text, timestamp with time zone, uuid, integer)
CREATE FUNCTION ai_avatar.list_all_integrations(p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer) RETURNS SETOF ai_avatar.integrations
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
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

-- FUNCTION ai_avatar.list_generations(uuid, uuid, timestamp with time zone, uuid, integer)
CREATE FUNCTION ai_avatar.list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not exists (
        select from public.content as c
        where c.id = p_content_id and (p_business_id is null or c.business_id = p_business_id)
    ) then
        raise exception 'No such content' using errcode = 'AV002';
    end if;
    return query
    select s.* from ai_avatar.generation_states as s
    where s.content_id = p_content_id and s.business_id = s.content_business_id
        and (p_before_id is null or (s.requested_at, s.id) < (p_before_requested_at, p_before_id))
    order by s.requested_at desc, s.id desc
    limit p_limit;
end;
$$;

-- COMMENT ai_avatar.FUNCTION list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer)
COMMENT ON FUNCTION ai_avatar.list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer) IS 'A page of the generations of a content item, newest first; AV002 when the business has no such item';

-- FUNCTION ai_avatar.list_grantees(text, text)
CREATE FUNCTION ai_avatar.list_grantees(p_schema text, p_privilege text) RETURNS SETOF text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    select case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
    from pg_catalog.pg_namespace as n
    cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as acl
    where n.nspname = p_schema and acl.privilege_type = p_privilege
        and (
            acl.grantee = 0
            or not (pg_has_role(acl.grantee, n.nspowner, 'usage') or pg_has_role(acl.grantee, current_user, 'usage'))
        );
end;
$$;

-- FUNCTION ai_avatar.list_integrations(uuid, text, text, timestamp with time zone, uuid, integer)
CREATE FUNCTION ai_avatar.list_integrations(p_business_id uuid, p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer) RETURNS SETOF ai_avatar.integrations
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 2
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- FUNCTION ai_avatar.list_overdue_generations(integer)
CREATE FUNCTION ai_avatar.list_overdue_generations(p_limit integer) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    select g.id from ai_avatar.generations as g
    where g.status in ('dispatching', 'processing') and g.deadline < now() and ai_avatar.may_expire(g)
    order by g.deadline
    limit p_limit;
end;
$$;

-- FUNCTION ai_avatar.list_secrets(uuid, integer)
CREATE FUNCTION ai_avatar.list_secrets(p_after uuid, p_limit integer) RETURNS TABLE(secret_id uuid, business_id uuid, provider text, sealed_key text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- FUNCTION ai_avatar.list_videos(uuid, text, text, uuid[], timestamp with time zone, uuid, integer, integer)
CREATE FUNCTION ai_avatar.list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer) RETURNS TABLE(content_id uuid, content_title text, video_script text, heygen_status text, heygen_url text, created_at timestamp with time zone, generation jsonb, total_count integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
#variable_conflict use_column
declare
    v_before_created_at timestamptz := p_before_created_at;
begin
    -- Clients cannot express every time that PostgreSQL can, and the driver takes the very first one for -infinity.
    -- Continue after such a row from its real time.
    if p_before_created_at in (to_timestamp(-62135596799), to_timestamp(253402300799)) then
        select coalesce(c.created_at, to_timestamp(0)) into v_before_created_at from public.content as c
        where c.id = p_before_id and c.business_id = p_business_id;
    end if;
    -- The page first, and only then the generations of its items.
    return query
    with matching as not materialized (
        select c.id, c.business_id, c.content_title, c.video_script, c.heygen_status, c.heygen_url,
            coalesce(c.created_at, to_timestamp(0)) as listed_at
        from public.content as c
        where c.business_id = p_business_id
            and (p_heygen_status is null or c.heygen_status = p_heygen_status)
            and (p_title_part is null or strpos(lower(c.content_title::text), lower(p_title_part)) > 0)
            and (p_content_ids is null or c.id = any(p_content_ids))
    )
    select page.id, page.content_title::text, page.video_script::text, page.heygen_status::text,
        page.heygen_url::text, least(greatest(page.listed_at, to_timestamp(-62135596799)), to_timestamp(253402300799)),
        to_jsonb(latest),
        case when p_count_up_to is not null then
            (select count(*)::integer from (select from matching limit p_count_up_to) as first_matching)
        end
    from (
        select m.* from matching as m
        where p_before_id is null
            or (m.listed_at, m.id) < (coalesce(v_before_created_at, p_before_created_at), p_before_id)
        order by m.listed_at desc, m.id desc
        limit p_limit
    ) as page
    left join lateral (
        select s.* from ai_avatar.generation_states as s
        where s.content_id = page.id and s.business_id = page.business_id
        order by s.requested_at desc, s.id desc
        limit 1
    ) as latest on true
    order by page.listed_at desc, page.id desc;
end;
$$;

-- COMMENT ai_avatar.FUNCTION list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer)
COMMENT ON FUNCTION ai_avatar.list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer) IS 'A page of the content items of a business, newest first, each with its latest generation or NULL; total_count is the
number of all that match, counted up to p_count_up_to, NULL without it';

-- FUNCTION ai_avatar.may_expire(ai_avatar.generations)
CREATE FUNCTION ai_avatar.may_expire(p_generation ai_avatar.generations) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return p_generation.video_id is null
        or p_generation.next_check_at = 'infinity'  -- the provider has no such video
        or p_generation.next_check_at > p_generation.deadline
        and p_generation.deadline < now() - interval '5 minutes';
end;
$$;

-- FUNCTION ai_avatar.migration_warnings()
CREATE FUNCTION ai_avatar.migration_warnings() RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_table pg_catalog.pg_class;
    v_verb text;
    v_found text;
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
            'Signed-in users may %s profiles.business_id: they can join another business and reach '
            'its integration. See docs/deploy-supabase.md.', v_verb
        );
    end loop;
    select string_agg('public.' || wanted.name, ', ') into v_found
    from unnest(array['content', 'businesses', 'profiles']) as wanted (name)
    where has_table_privilege('authenticated', 'public.' || wanted.name, 'TRIGGER');
    if v_found is not null then
        return next format(
            'Signed-in users may create triggers on %1$s: a trigger runs with the rights of the functions that write '
            'there. To end it: revoke trigger on %1$s from public, authenticated;', v_found
        );
    end if;
    select string_agg(acl.role, ', ' order by acl.role) into v_found
    from ai_avatar.list_grantees('ai_avatar', 'USAGE') as acl (role)
    where acl.role not in ('service_role', 'ai_avatar_service');
    if v_found is not null then
        return next format(
            'The schema ai_avatar is open to %1$s: these roles count as back ends and may use every business. To end '
            'it: revoke usage on schema ai_avatar from %1$s;', v_found
        );
    end if;
    select string_agg(acl.role, ', ' order by acl.role) into v_found
    from ai_avatar.list_grantees('public', 'CREATE') as acl (role);
    if v_found is not null then
        return next format(
            'The schema public is open to new objects of %1$s: a function or operator there may run in place of '
            'another with the rights of its caller. To end it: revoke create on schema public from %1$s;', v_found
        );
    end if;
    select string_agg(role.name, ', ') into v_found
    from unnest(array['anon', 'authenticated']) as role (name)
    where has_function_privilege(role.name, to_regprocedure('public.get_heygen_secret(uuid)'), 'EXECUTE');
    if v_found is not null then
        return next format(
            'The old application''s function get_heygen_secret gives any business''s key to %s. To end it: revoke '
            'execute on function public.get_heygen_secret(uuid) from public, anon, authenticated;', v_found
        );
    end if;
    if has_database_privilege('public', current_database(), 'TEMPORARY') then
        return next format(
            'Every role may create temporary objects: they come before others of their name, also in Supabase''s own '
            'functions. To end it: revoke temporary on database %I from public;', current_database()
        );
    end if;
end;
$_$;

-- COMMENT ai_avatar.FUNCTION migration_warnings()
COMMENT ON FUNCTION ai_avatar.migration_warnings() IS 'Settings of this database that let a user reach another business, one sentence each';

-- FUNCTION ai_avatar.move_late_generation(ai_avatar.generations, ai_avatar.generations, boolean)
CREATE FUNCTION ai_avatar.move_late_generation(p_generation ai_avatar.generations, p_report ai_avatar.generations, p_touch_content boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_report.status <> 'completed' then
        -- The generation stays ended, but keeps the provider's id of the video: a paid video is found by it.
        update ai_avatar.generations as g set video_id = coalesce(g.video_id, p_report.video_id)
        where g.id = p_generation.id;
        return;
    end if;
    update ai_avatar.generations as g
    set status = 'completed',
        ended_by = 'report',
        video_id = coalesce(p_report.video_id, g.video_id),
        video_url = p_report.video_url,
        video_url_at = p_report.video_url_at,
        thumbnail_url = p_report.thumbnail_url,
        duration_seconds = p_report.duration_seconds,
        captioned_video_url = p_report.captioned_video_url,
        subtitle_url = p_report.subtitle_url,
        error = null,
        completed_at = p_report.completed_at,
        next_check_at = least(g.next_check_at, now() + interval '1 minute')
    where g.id = p_generation.id;
    if ai_avatar.owns_content(p_generation) and not exists (
        select from ai_avatar.generations as newer
        where newer.content_id = p_generation.content_id
            and (newer.requested_at, newer.id) > (p_generation.requested_at, p_generation.id)
    ) then
        perform ai_avatar.update_content(p_generation, p_touch_content, jsonb_build_object(
            'heygen_status', 'completed',
            'heygen_video_id', coalesce(p_report.video_id, p_generation.video_id),
            'heygen_url', p_report.video_url, 'error_message', null
        ));
    end if;
end;
$$;

-- FUNCTION ai_avatar.move_live_generation(ai_avatar.generations, ai_avatar.generations, text, interval, boolean)
CREATE FUNCTION ai_avatar.move_live_generation(p_generation ai_avatar.generations, p_report ai_avatar.generations, p_execution_id text, p_timeout interval, p_touch_content boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- A report is a claim too: it shows that this execution runs the job.
    update ai_avatar.generations as g
    set status = p_report.status,
        ended_by = case when p_report.status <> 'processing' then 'report' end,
        claimed_at = coalesce(g.claimed_at, now()),
        claimed_by = case when g.claimed_at is null then p_execution_id else g.claimed_by end,
        video_id = coalesce(p_report.video_id, g.video_id),
        video_url = p_report.video_url,
        video_url_at = p_report.video_url_at,
        thumbnail_url = p_report.thumbnail_url,
        duration_seconds = p_report.duration_seconds,
        captioned_video_url = p_report.captioned_video_url,
        subtitle_url = p_report.subtitle_url,
        error = p_report.error,
        -- A refused create may have left the provider's code, which the workflow does not report.
        error_code = case when p_report.status = 'failed' then coalesce(p_report.error_code, g.error_code) end,
        completed_at = p_report.completed_at,
        deadline = ai_avatar.next_deadline(g.requested_at, p_timeout),
        -- The provider may know by now what it did not know when it was asked last. A question that it has not yet
        -- answered no longer ends the checks.
        next_check_at = least(g.next_check_at, now() + interval '1 minute'),
        check_token = null
    where g.id = p_generation.id;
    if not ai_avatar.owns_content(p_generation) then
        if p_report.status <> 'processing' then
            perform ai_avatar.restore_content(p_generation, null, p_touch_content);
        end if;
    elsif p_report.status = 'completed' then
        -- Even if another application has changed the content item: a paid video must appear where users look for it.
        perform ai_avatar.update_content(p_generation, p_touch_content, jsonb_build_object(
            'heygen_status', 'completed',
            'heygen_video_id', coalesce(p_report.video_id, p_generation.video_id),
            'heygen_url', p_report.video_url, 'error_message', null
        ));
    elsif exists (
        select from public.content as c where c.id = p_generation.content_id and c.heygen_status = 'processing'
    ) then
        perform ai_avatar.update_content(
            p_generation, p_touch_content,
            jsonb_build_object('heygen_status', p_report.status)
            || case
                when p_report.video_id is null then '{}'
                else jsonb_build_object('heygen_video_id', p_report.video_id)
            end
            || case
                when p_report.status = 'failed' then jsonb_build_object('error_message', p_report.error)
                else '{}'
            end
        );
    end if;
end;
$$;

-- FUNCTION ai_avatar.next_deadline(timestamp with time zone, interval)
CREATE FUNCTION ai_avatar.next_deadline(p_requested_at timestamp with time zone, p_timeout interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select least(now() + p_timeout, p_requested_at + interval '24 hours')
$$;

-- FUNCTION ai_avatar.normalise_integration()
CREATE FUNCTION ai_avatar.normalise_integration() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- FUNCTION ai_avatar.own_business_id()
CREATE FUNCTION ai_avatar.own_business_id() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_business_id uuid;
begin
    select p.business_id into v_business_id from public.profiles as p where p.id = auth.uid();
    return v_business_id;
exception when invalid_text_representation then
    return null;  -- a `sub` that is no UUID belongs to no profile
end;
$$;

-- COMMENT ai_avatar.FUNCTION own_business_id()
COMMENT ON FUNCTION ai_avatar.own_business_id() IS 'The business of the signed-in caller (profiles.business_id of auth.uid()), or NULL';

-- FUNCTION ai_avatar.owns_content(ai_avatar.generations)
CREATE FUNCTION ai_avatar.owns_content(p_generation ai_avatar.generations) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return exists (
        select from public.content as c
        where c.id = p_generation.content_id and c.business_id = p_generation.business_id
    );
end;
$$;

-- FUNCTION ai_avatar.providers()
CREATE FUNCTION ai_avatar.providers() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select array['heygen', 'tavus']
$$;

-- COMMENT ai_avatar.FUNCTION providers()
COMMENT ON FUNCTION ai_avatar.providers() IS 'The providers that the CHECK on public.ai_avatar_integrations allows';

-- FUNCTION ai_avatar.purge_secret_reads(interval, integer)
CREATE FUNCTION ai_avatar.purge_secret_reads(p_older_than interval, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- FUNCTION ai_avatar.record_details(uuid, jsonb, jsonb)
CREATE FUNCTION ai_avatar.record_details(p_integration_id uuid, p_avatar jsonb, p_voice jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update ai_avatar.integration_details as d
    set avatar = coalesce(p_avatar, d.avatar), voice = coalesce(p_voice, d.voice)
    where d.integration_id = p_integration_id and num_nonnulls(p_avatar, p_voice) > 0;
end;
$$;

-- COMMENT ai_avatar.FUNCTION record_details(p_integration_id uuid, p_avatar jsonb, p_voice jsonb)
COMMENT ON FUNCTION ai_avatar.record_details(p_integration_id uuid, p_avatar jsonb, p_voice jsonb) IS 'Records what the catalogue says of the chosen avatar and voice; NULL keeps what is there';

-- FUNCTION ai_avatar.record_key_check(uuid, text, text, boolean)
CREATE FUNCTION ai_avatar.record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean) RETURNS SETOF ai_avatar.integrations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean)
COMMENT ON FUNCTION ai_avatar.record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean) IS 'Records the provider''s verdict on a stored key, unless it has been replaced: active or error, and validated_at;
inactive stays';

-- FUNCTION ai_avatar.record_scheduled_key_check(uuid, text, text, boolean, interval, interval)
CREATE FUNCTION ai_avatar.record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval)
COMMENT ON FUNCTION ai_avatar.record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval) IS 'Records a verdict and schedules the next check. A rejection counts when a second one, p_confirm_after later, confirms
it; returns accepted, rejected, unconfirmed, or replaced when another key is stored by now';

-- FUNCTION ai_avatar.record_sync(uuid, text, jsonb, jsonb)
CREATE FUNCTION ai_avatar.record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
declare
    v_id uuid;
begin
    update public.ai_avatar_integrations as ai set last_synced_at = now()
    where ai.business_id = p_business_id and ai.provider = p_provider
    returning ai.id into v_id;
    perform ai_avatar.record_details(v_id, p_avatar, p_voice);
end;
$$;

-- COMMENT ai_avatar.FUNCTION record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb)
COMMENT ON FUNCTION ai_avatar.record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb) IS 'Records that the provider''s catalogue was read with the stored key, and what it says of the chosen avatar and voice';

-- FUNCTION ai_avatar.refresh_video_url(uuid, text, text, text, text, text)
CREATE FUNCTION ai_avatar.refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
declare
    v_generation ai_avatar.generations;
begin
    perform from public.content as c
    where c.id = (select g.content_id from ai_avatar.generations as g where g.id = p_generation_id)
    for no key update;
    update ai_avatar.generations as g
    set video_url = p_video_url,
        video_url_at = now(),
        thumbnail_url = coalesce(p_thumbnail_url, g.thumbnail_url),
        captioned_video_url = coalesce(p_captioned_video_url, g.captioned_video_url),
        subtitle_url = coalesce(p_subtitle_url, g.subtitle_url)
    where g.id = p_generation_id and g.status = 'completed' and g.video_id = p_video_id
    returning g.* into v_generation;
    if found and exists (
        select from public.content as c
        where c.id = v_generation.content_id and c.business_id = v_generation.business_id
            and c.heygen_video_id = p_video_id
    ) then
        perform ai_avatar.update_content(v_generation, true, jsonb_build_object('heygen_url', p_video_url));
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = p_generation_id;
end;
$$;

-- COMMENT ai_avatar.FUNCTION refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text)
COMMENT ON FUNCTION ai_avatar.refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text) IS 'Stores new links to the same video in the generation and the content item, because providers'' links expire';

-- FUNCTION ai_avatar.release_create(uuid, uuid, boolean, text)
CREATE FUNCTION ai_avatar.release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
begin
    -- The token stays, so that a reservation that arrives late is not granted after its release.
    update ai_avatar.generations as g
    set create_leased_at = null,
        create_unknown_since = case
            when p_is_refused then g.create_unknown_since
            else coalesce(g.create_unknown_since, g.create_leased_at)
        end,
        error_code = p_error_code
    where g.id = p_generation_id and g.create_token = p_token and g.create_leased_at is not null;
end;
$$;

-- COMMENT ai_avatar.FUNCTION release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text)
COMMENT ON FUNCTION ai_avatar.release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text) IS 'Ends the reservation of p_token, and no other. p_is_refused: the provider certainly created no video';

-- FUNCTION ai_avatar.replace_secret(uuid, text, text)
CREATE FUNCTION ai_avatar.replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
declare
    v_integration_id uuid;
    v_updated_at timestamptz;
begin
    -- The row's lock keeps a save of a new key out while old and new are compared.
    select ai.id into v_integration_id from public.ai_avatar_integrations as ai
    where ai.secret_id = p_secret_id
    for update;
    select s.updated_at into v_updated_at from vault.decrypted_secrets as s
    where s.id = p_secret_id and s.decrypted_secret = p_old_sealed_key;
    if not found then
        return false;
    end if;
    perform vault.update_secret(p_secret_id, p_new_sealed_key);
    -- It is still the same API key, whose last characters are known.
    update ai_avatar.integration_details as d
    set sealing_key_id = ai_avatar.sealing_key_id(p_new_sealed_key),
        secret_updated_at = case
            when d.secret_updated_at = v_updated_at
                then (select s.updated_at from vault.secrets as s where s.id = p_secret_id)
            else d.secret_updated_at
        end
    where d.integration_id = v_integration_id;
    return true;
end;
$$;

-- COMMENT ai_avatar.FUNCTION replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text)
COMMENT ON FUNCTION ai_avatar.replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text) IS 'Replaces a stored key if it is still the old one; returns whether it was';

-- FUNCTION ai_avatar.report_generation(uuid, uuid, text, text, text, text, text, text, double precision, text, text, text, text, interval, boolean, boolean)
CREATE FUNCTION ai_avatar.report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
declare
    v_generation ai_avatar.generations;
    v_report ai_avatar.generations; -- only the columns that a report sets
    v_id uuid := p_generation_id;
begin
    v_report.status := p_status;
    v_report.video_id := p_video_id;
    if p_status = 'completed' then
        v_report.video_url := p_video_url;
        v_report.video_url_at := now();
        v_report.thumbnail_url := p_thumbnail_url;
        v_report.duration_seconds := p_duration_seconds;
        v_report.captioned_video_url := p_captioned_video_url;
        v_report.subtitle_url := p_subtitle_url;
        v_report.completed_at := now();
    elsif p_status = 'failed' then
        v_report.error := p_error;
        v_report.error_code := p_error_code;
    end if;
    perform from public.content as c
    where c.id = coalesce(
            (select g.content_id from ai_avatar.generations as g where g.id = p_generation_id), p_content_id
        )
    for no key update;
    if v_id is null then
        -- First the live generation, unless another execution has claimed it; then one that this execution has claimed;
        -- then the latest, whose last report may arrive late or twice.
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
    -- Only the claimant may report; what the service itself has read at the provider needs no claim.
    if not p_from_provider and v_generation.claimed_by is not null
        and v_generation.claimed_by is distinct from p_execution_id then
        raise exception 'Generation already claimed' using errcode = 'AV009';
    end if;
    if p_from_provider and p_status = 'failed' and p_video_id <> v_generation.video_id then
        null; -- the workflow has reported another video since the provider was asked
    elsif v_generation.status in ('dispatching', 'processing') then
        perform ai_avatar.move_live_generation(
            v_generation, v_report, p_execution_id, p_timeout, p_touch_content
        );
    elsif v_generation.status = 'failed' and v_generation.ended_by in ('cancel', 'report') then
        -- It stays failed, and the caller says so. An exception would lose the id that a paid video is found by.
        update ai_avatar.generations as g set video_id = coalesce(g.video_id, p_video_id) where g.id = v_id;
    elsif v_generation.status <> 'completed' then
        perform ai_avatar.move_late_generation(v_generation, v_report, p_touch_content);
    end if;
    return query select s.* from ai_avatar.generation_states as s where s.id = v_id;
end;
$$;

-- COMMENT ai_avatar.FUNCTION report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean)
COMMENT ON FUNCTION ai_avatar.report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean) IS 'Applies a report to a generation and its content item; a repeated or outdated report changes nothing';

-- FUNCTION ai_avatar.reserve_create(uuid, uuid, bytea, interval, interval)
CREATE FUNCTION ai_avatar.reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
declare
    v_generation ai_avatar.generations;
    v_unknown_since timestamptz;
begin
    select g.* into v_generation from ai_avatar.generations as g where g.id = p_generation_id for update;
    if v_generation.video_id is not null or v_generation.status not in ('dispatching', 'processing') then
        return 'settled';
    end if;
    if v_generation.create_token = p_token then
        if v_generation.create_leased_at is null then
            return 'pending'; -- released before: this is an earlier call that arrives late
        end if;
    elsif v_generation.create_leased_at > clock_timestamp() - p_lease then
        return 'pending';
    end if;
    -- An earlier holder whose lease ended without a release may have reached the provider.
    v_unknown_since := coalesce(
        v_generation.create_unknown_since,
        case when v_generation.create_token <> p_token then v_generation.create_leased_at end
    );
    -- The provider's guarantee holds for a while, and for one account: another key may be another account's.
    if v_unknown_since is not null and (
        v_generation.create_key_hash = p_key_hash
        and clock_timestamp() + p_lease < v_unknown_since + p_repeat_within
    ) is not true then
        return 'unknown';
    end if;
    update ai_avatar.generations as g
    set create_token = p_token, create_leased_at = clock_timestamp(), create_unknown_since = v_unknown_since,
        create_key_hash = p_key_hash
    where g.id = p_generation_id;
    return 'granted';
end;
$$;

-- COMMENT ai_avatar.FUNCTION reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval)
COMMENT ON FUNCTION ai_avatar.reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval) IS 'granted: the holder of p_token, and no other, may request the video for p_lease, and may ask this again; pending:
another call may; settled: there is a video, or the generation has ended; unknown: an earlier request may have created a
video, and the provider does not guarantee (p_repeat_within, NULL for never) that a repeat would not create another';

-- FUNCTION ai_avatar.reset_content(uuid, uuid)
CREATE FUNCTION ai_avatar.reset_content(p_business_id uuid, p_content_id uuid) RETURNS TABLE(content_id uuid, content_title text, video_script text, heygen_status text, heygen_url text, created_at timestamp with time zone, generation jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
#variable_conflict use_column
declare
    v_business_id uuid;
    v_live ai_avatar.generations;
    v_refusal text;
begin
    select c.business_id into v_business_id from public.content as c
    where c.id = p_content_id and (p_business_id is null or c.business_id = p_business_id)
    for no key update;
    if not found then
        raise exception 'No such content' using errcode = 'AV002';
    end if;
    select g.* into v_live from ai_avatar.generations as g
    where g.content_id = p_content_id and g.status in ('dispatching', 'processing')
    for update;
    if found then
        if v_live.business_id = v_business_id then
            raise exception 'Generation in progress' using errcode = 'AV008', detail = v_live.id::text;
        end if;
        perform ai_avatar.supersede_generation(v_live.id);
    end if;
    v_refusal := ai_avatar.write_content(
        p_content_id,
        '{"heygen_status": null, "heygen_video_id": null, "heygen_url": null, "error_message": null}'
    );
    if v_refusal is not null then
        raise exception '%', v_refusal using errcode = 'AV015';
    end if;
    return query
    select c.id, c.content_title::text, c.video_script::text, c.heygen_status::text, c.heygen_url::text,
        least(greatest(coalesce(c.created_at, to_timestamp(0)), to_timestamp(-62135596799)), to_timestamp(253402300799)),
        to_jsonb(latest)
    from public.content as c
    left join lateral ai_avatar.get_latest_generation(c.business_id, c.id) as latest on true
    where c.id = p_content_id;
end;
$$;

-- COMMENT ai_avatar.FUNCTION reset_content(p_business_id uuid, p_content_id uuid)
COMMENT ON FUNCTION ai_avatar.reset_content(p_business_id uuid, p_content_id uuid) IS 'Clears what the service wrote into a content item without a live generation, and returns the item as list_videos does';

-- FUNCTION ai_avatar.restore_content(ai_avatar.generations, text, boolean)
CREATE FUNCTION ai_avatar.restore_content(p_generation ai_avatar.generations, p_error_message text, p_touch_content boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if exists (
        select from public.content as c where c.id = p_generation.content_id and c.heygen_status = 'processing'
    ) then
        perform ai_avatar.update_content(
            p_generation, p_touch_content,
            jsonb_build_object(
                'heygen_status', p_generation.previous_heygen_status,
                'heygen_video_id', p_generation.previous_heygen_video_id
            )
            || case
                when p_error_message is not null and ai_avatar.owns_content(p_generation)
                    then jsonb_build_object('error_message', p_error_message)
                else '{}'
            end
        );
    end if;
end;
$$;

-- FUNCTION ai_avatar.roll_back_dispatch(uuid, text, boolean, boolean)
CREATE FUNCTION ai_avatar.roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean) RETURNS SETOF ai_avatar.generation_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean)
COMMENT ON FUNCTION ai_avatar.roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean) IS 'n8n did not accept the job: an unclaimed dispatching generation fails and its content item is restored';

-- FUNCTION ai_avatar.sample_sealed_keys(text, integer)
CREATE FUNCTION ai_avatar.sample_sealed_keys(p_sealing_key_id text, p_samples integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'sealing_key_id', p_sealing_key_id, 'business_id', ai.business_id, 'provider', ai.provider,
            'sealed_key', s.decrypted_secret
        )), '[]')
        from (
            select d.integration_id from ai_avatar.integration_details as d
            where d.sealing_key_id = p_sealing_key_id
            order by d.secret_updated_at desc
            limit p_samples
        ) as latest
        join public.ai_avatar_integrations as ai on ai.id = latest.integration_id
        join vault.decrypted_secrets as s on s.id = ai.secret_id
        -- The vault's own functions may have replaced it.
        where starts_with(s.decrypted_secret, format('sealed:v1:%s:', p_sealing_key_id))
    );
end;
$$;

-- FUNCTION ai_avatar.schema_revision()
CREATE FUNCTION ai_avatar.schema_revision() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (select max(v.version_num) from ai_avatar.alembic_version as v);
end;
$$;

-- FUNCTION ai_avatar.sealing_key_id(text)
CREATE FUNCTION ai_avatar.sealing_key_id(p_sealed_key text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if ai_avatar.is_back_end() then
        return substring(p_sealed_key from '^sealed:v1:([A-Za-z0-9_.-]{1,64}):');
    end if;
    return null;
end;
$$;

-- FUNCTION ai_avatar.set_ended_at()
CREATE FUNCTION ai_avatar.set_ended_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if new.status in ('dispatching', 'processing') then
        new.ended_at := null;
    elsif tg_op = 'INSERT' or new.status <> old.status then
        new.ended_at := now();
    end if;
    return new;
end;
$$;

-- FUNCTION ai_avatar.start_generation(uuid, uuid, uuid, text, text, interval, text, bytea)
CREATE FUNCTION ai_avatar.start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea) RETURNS TABLE(id uuid, script text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea)
COMMENT ON FUNCTION ai_avatar.start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea) IS 'Starts a generation and marks its content item, or returns the one bound to the idempotency key: its id is not p_id';

-- FUNCTION ai_avatar.store_secret(uuid, text, text)
CREATE FUNCTION ai_avatar.store_secret(p_integration_id uuid, p_sealed_key text, p_api_key_last4 text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_integration public.ai_avatar_integrations;
    v_secret_id uuid;
    v_name text;
begin
    select ai.* into v_integration from public.ai_avatar_integrations as ai where ai.id = p_integration_id;
    v_secret_id := v_integration.secret_id;
    if v_secret_id is null then
        v_name := format('ai_avatar_%s_key_for_business_%s', v_integration.provider, v_integration.business_id);
        -- An earlier delete that did not know the vault may have left a secret of this name: adopt it.
        select s.id into v_secret_id from vault.secrets as s where s.name = v_name;
        if v_secret_id is null then
            -- Supabase's create_secret writes its argument in plain text before it encrypts it; update_secret does
            -- not. So a placeholder is created first. It looks sealed, because the stand-in refuses other text.
            v_secret_id := vault.create_secret('sealed:v1:none:placeholder', v_name, 'AI avatar provider API key');
        end if;
        update public.ai_avatar_integrations as ai set secret_id = v_secret_id where ai.id = p_integration_id;
    end if;
    perform vault.update_secret(v_secret_id, p_sealed_key);
    update ai_avatar.integration_details as d
    set api_key_last4 = p_api_key_last4,
        api_key_set_at = now(),
        secret_updated_at = (select s.updated_at from vault.secrets as s where s.id = v_secret_id),
        sealing_key_id = ai_avatar.sealing_key_id(p_sealed_key),
        next_key_check_at = null,
        key_rejected_at = null
    where d.integration_id = p_integration_id;
end;
$$;

-- COMMENT ai_avatar.FUNCTION store_secret(p_integration_id uuid, p_sealed_key text, p_api_key_last4 text)
COMMENT ON FUNCTION ai_avatar.store_secret(p_integration_id uuid, p_sealed_key text, p_api_key_last4 text) IS 'Stores a key in the vault, and its last characters where they are known; the caller must hold the lock on the
integration''s row';

-- FUNCTION ai_avatar.strip_values(text, uuid, jsonb)
CREATE FUNCTION ai_avatar.strip_values(p_message text, p_content_id uuid, p_changes jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_message text := regexp_replace(p_message, ': "[^"]*"$', '');
    v_value text;
begin
    for v_value in
        select f.value
        from public.content as c
        cross join lateral (
            select e.value from jsonb_each_text(to_jsonb(c)) as e
            union
            select e.value from jsonb_each_text(p_changes) as e
        ) as f
        where c.id = p_content_id and char_length(f.value) > 3
        order by char_length(f.value) desc
    loop
        v_message := replace(v_message, v_value, '[value]');
    end loop;
    return left(v_message, 300);
end;
$_$;

-- FUNCTION ai_avatar.supersede_generation(uuid)
CREATE FUNCTION ai_avatar.supersede_generation(p_generation_id uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update ai_avatar.generations as g
    set status = 'expired', ended_by = 'superseded',
        error = 'Another application changed the content item, so this video is no longer expected.',
        idempotency_key = case when g.status <> 'dispatching' then g.idempotency_key end
    where g.id = p_generation_id;
end;
$$;

-- FUNCTION ai_avatar.update_content(ai_avatar.generations, boolean, jsonb)
CREATE FUNCTION ai_avatar.update_content(p_generation ai_avatar.generations, p_touch_content boolean, p_changes jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_refusal text := '57014: the update did not end in time';
begin
    if p_touch_content then
        v_refusal := ai_avatar.write_content(p_generation.content_id, p_changes);
    end if;
    -- The first reason stands until a change is accepted: it is logged once.
    if (v_refusal is null) <> (p_generation.content_error is null) then
        update ai_avatar.generations as g
        set content_error = v_refusal, content_error_at = case when v_refusal is not null then now() end
        where g.id = p_generation.id;
    end if;
end;
$$;

-- COMMENT ai_avatar.FUNCTION update_content(p_generation ai_avatar.generations, p_touch_content boolean, p_changes jsonb)
COMMENT ON FUNCTION ai_avatar.update_content(p_generation ai_avatar.generations, p_touch_content boolean, p_changes jsonb) IS 'Changes a generation''s content item; a refusal is noted in the generation, which goes on all the same';

-- FUNCTION ai_avatar.update_integration(uuid, text, jsonb, text, boolean, text, jsonb, jsonb)
CREATE FUNCTION ai_avatar.update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) RETURNS SETOF ai_avatar.integrations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT ai_avatar.FUNCTION update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb)
COMMENT ON FUNCTION ai_avatar.update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) IS 'Changes the fields that p_changes names; AV001 when there is no such integration';

-- FUNCTION ai_avatar.vault_encrypts()
CREATE FUNCTION ai_avatar.vault_encrypts() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select exists (select from pg_catalog.pg_extension as e where e.extname = 'supabase_vault')
$$;

-- COMMENT ai_avatar.FUNCTION vault_encrypts()
COMMENT ON FUNCTION ai_avatar.vault_encrypts() IS 'Whether the vault is Supabase''s own extension, which encrypts; the stand-in does not';

-- FUNCTION ai_avatar.write_content(uuid, jsonb)
CREATE FUNCTION ai_avatar.write_content(p_content_id uuid, p_changes jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update public.content as c
    set heygen_status = case
            when p_changes ? 'heygen_status' then p_changes ->> 'heygen_status' else c.heygen_status
        end,
        heygen_video_id = case
            when p_changes ? 'heygen_video_id' then p_changes ->> 'heygen_video_id' else c.heygen_video_id
        end,
        heygen_url = case when p_changes ? 'heygen_url' then p_changes ->> 'heygen_url' else c.heygen_url end,
        error_message = case
            when p_changes ? 'error_message' then p_changes ->> 'error_message' else c.error_message
        end
    where c.id = p_content_id;
    if not found then
        return 'a trigger skipped the update';
    end if;
    set constraints all immediate;  -- a deferred trigger would fail at the commit, outside this block
    return null;
exception when others then
    -- Deadlocks, locks not granted in time, a full disk: a repeated call may succeed.
    if sqlstate ~ '^(40|53|55P03|58)' then
        raise;
    end if;
    return sqlstate || ': ' || ai_avatar.strip_values(sqlerrm, p_content_id, p_changes);
end;
$$;

-- COMMENT ai_avatar.FUNCTION write_content(p_content_id uuid, p_changes jsonb)
COMMENT ON FUNCTION ai_avatar.write_content(p_content_id uuid, p_changes jsonb) IS 'Changes a content item in a block of its own; NULL, or why the database refused, without values';

-- FUNCTION auth.jwt()
CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
            select coalesce(
                nullif(current_setting('request.jwt.claim', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')
            )::jsonb
        $$;

-- FUNCTION auth.role()
CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
            select coalesce(
                nullif(current_setting('request.jwt.claim.role', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
            )
        $$;

-- FUNCTION auth.uid()
CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
            select coalesce(
                nullif(current_setting('request.jwt.claim.sub', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
            )::uuid
        $$;

-- FUNCTION public.delete_ai_avatar_integration(uuid, text, boolean)
CREATE FUNCTION public.delete_ai_avatar_integration(p_business_id uuid, p_provider text DEFAULT NULL::text, p_must_exist boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
begin
    perform ai_avatar.check_caller(p_business_id);
    delete from public.ai_avatar_integrations as ai
    where ai.business_id = p_business_id and (p_provider is null or ai.provider = p_provider);
    if not found and p_must_exist then
        raise exception 'No such integration' using errcode = 'AV001';
    end if;
end;
$$;

-- COMMENT public.FUNCTION delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean)
COMMENT ON FUNCTION public.delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean) IS 'Deletes one integration, or all of the business, with their secrets; p_must_exist: AV001 when there is none';

-- FUNCTION public.get_ai_avatar_integration(uuid, text, text)
CREATE FUNCTION public.get_ai_avatar_integration(p_business_id uuid, p_provider text DEFAULT NULL::text, p_status text DEFAULT 'active'::text) RETURNS TABLE(id uuid, provider text, avatar_id text, voice_id text, provider_config jsonb, status text, validated_at timestamp with time zone, business_id uuid, has_api_key boolean, last_synced_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone, api_key_last4 text, api_key_set_at timestamp with time zone, avatar jsonb, voice jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- COMMENT public.FUNCTION get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text)
COMMENT ON FUNCTION public.get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text) IS 'The integration of a business, never its key; the oldest without p_provider, of any status when p_status is NULL';

-- FUNCTION public.get_ai_avatar_secret(uuid, text, text, text, text, uuid, text, text)
CREATE FUNCTION public.get_ai_avatar_secret(p_business_id uuid, p_provider text DEFAULT NULL::text, p_status text DEFAULT 'active'::text, p_caller text DEFAULT NULL::text, p_purpose text DEFAULT NULL::text, p_generation_id uuid DEFAULT NULL::uuid, p_request_id text DEFAULT NULL::text, p_address text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- COMMENT public.FUNCTION get_ai_avatar_secret(p_business_id uuid, p_provider text, p_status text, p_caller text, p_purpose text, p_generation_id uuid, p_request_id text, p_address text)
COMMENT ON FUNCTION public.get_ai_avatar_secret(p_business_id uuid, p_provider text, p_status text, p_caller text, p_purpose text, p_generation_id uuid, p_request_id text, p_address text) IS 'The key as it is stored: sealed if the service stored it. For back ends only; each read is recorded';

-- FUNCTION public.set_ai_avatar_integration(uuid, text, text, text, text, jsonb, uuid, boolean, text, jsonb, jsonb)
CREATE FUNCTION public.set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text DEFAULT NULL::text, p_voice_id text DEFAULT NULL::text, p_config jsonb DEFAULT NULL::jsonb, p_id uuid DEFAULT NULL::uuid, p_validated boolean DEFAULT true, p_api_key_last4 text DEFAULT NULL::text, p_avatar jsonb DEFAULT NULL::jsonb, p_voice jsonb DEFAULT NULL::jsonb) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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

-- COMMENT public.FUNCTION set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb)
COMMENT ON FUNCTION public.set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) IS 'Creates or replaces the integration of a business with a provider; NULL keeps what is there, and an
empty p_avatar_id or p_voice_id clears it. For back ends only: p_id is the id of a new row, p_validated false means that
the key has not been checked, and the last three are what is shown of the key, the avatar and the voice';

-- FUNCTION public.update_ai_avatar_integrations_updated_at()
CREATE FUNCTION public.update_ai_avatar_integrations_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    new.updated_at = now();
    return new;
end;
$$;

-- FUNCTION vault.create_secret(text, text, text, uuid)
CREATE FUNCTION vault.create_secret(new_secret text, new_name text DEFAULT NULL::text, new_description text DEFAULT ''::text, new_key_id uuid DEFAULT NULL::uuid) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    declare
        v_id uuid;
    begin
        insert into vault.secrets (secret, name, description, key_id)
        values (new_secret, new_name, coalesce(new_description, ''), new_key_id)
        returning id into v_id;
        return v_id;
    end;
    $$;

-- FUNCTION vault.refuse_unsealed()
CREATE FUNCTION vault.refuse_unsealed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    begin
        if new.secret !~ '^sealed:v1:[A-Za-z0-9_.-]+:[A-Za-z0-9_-]+$' then
            raise exception 'This vault does not encrypt: it takes sealed secrets only'
                using errcode = 'AV010', hint = 'Save the key through the service, which seals it with SECRETS_KEYS.';
        end if;
        return new;
    end;
    $_$;

-- FUNCTION vault.update_secret(uuid, text, text, text, uuid)
CREATE FUNCTION vault.update_secret(secret_id uuid, new_secret text DEFAULT NULL::text, new_name text DEFAULT NULL::text, new_description text DEFAULT NULL::text, new_key_id uuid DEFAULT NULL::uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    begin
        update vault.secrets as s
        set secret = coalesce(new_secret, s.secret),
            name = coalesce(new_name, s.name),
            description = coalesce(new_description, s.description),
            key_id = coalesce(new_key_id, s.key_id),
            updated_at = clock_timestamp()
        where s.id = secret_id;
    end;
    $$;

-- TABLE ai_avatar.alembic_version
CREATE TABLE ai_avatar.alembic_version (
    version_num character varying(32) NOT NULL
);

-- TABLE ai_avatar.created_objects
CREATE TABLE ai_avatar.created_objects (
    "position" bigint NOT NULL,
    kind text NOT NULL,
    object text NOT NULL,
    CONSTRAINT created_objects_kind_check CHECK ((kind = ANY (ARRAY['schema'::text, 'function'::text, 'table'::text, 'view'::text, 'column'::text, 'index'::text])))
);

-- COMMENT ai_avatar.TABLE created_objects
COMMENT ON TABLE ai_avatar.created_objects IS 'Objects that the migrations created because they were missing, in order; the downgrade drops only these';

-- SEQUENCE ai_avatar.created_objects_position_seq
ALTER TABLE ai_avatar.created_objects ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ai_avatar.created_objects_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- VIEW ai_avatar.integration_choices
CREATE VIEW ai_avatar.integration_choices AS
 SELECT ai.business_id,
    ai.provider,
    ai.status,
    (ai.secret_id IS NOT NULL) AS has_api_key,
        CASE
            WHEN (ai.avatar_id IS NOT NULL) THEN jsonb_build_object('id', ai.avatar_id, 'name',
            CASE
                WHEN ((d.avatar ->> 'id'::text) = ai.avatar_id) THEN (d.avatar ->> 'name'::text)
                ELSE NULL::text
            END)
            ELSE NULL::jsonb
        END AS avatar,
        CASE
            WHEN (ai.voice_id IS NOT NULL) THEN jsonb_build_object('id', ai.voice_id, 'name',
            CASE
                WHEN ((d.voice ->> 'id'::text) = ai.voice_id) THEN (d.voice ->> 'name'::text)
                ELSE NULL::text
            END)
            ELSE NULL::jsonb
        END AS voice
   FROM (public.ai_avatar_integrations ai
     LEFT JOIN ai_avatar.integration_details d ON ((d.integration_id = ai.id)));

-- COMMENT ai_avatar.VIEW integration_choices
COMMENT ON VIEW ai_avatar.integration_choices IS 'What a generation records of an integration: the chosen avatar and voice, their names where they are known';

-- TABLE ai_avatar.legacy_copies
CREATE TABLE ai_avatar.legacy_copies (
    business_id uuid NOT NULL,
    secret_id uuid,
    avatar_id text,
    voice_id text
);

-- COMMENT ai_avatar.TABLE legacy_copies
COMMENT ON TABLE ai_avatar.legacy_copies IS 'The values of businesses.heygen_* when they were last copied';

-- TABLE ai_avatar.saved_definitions
CREATE TABLE ai_avatar.saved_definitions (
    "position" bigint NOT NULL,
    revision text NOT NULL,
    statement text NOT NULL
);

-- COMMENT ai_avatar.TABLE saved_definitions
COMMENT ON TABLE ai_avatar.saved_definitions IS 'Definitions that a revision replaced or dropped, as the statements that restore them';

-- SEQUENCE ai_avatar.saved_definitions_position_seq
ALTER TABLE ai_avatar.saved_definitions ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ai_avatar.saved_definitions_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- TABLE ai_avatar.secret_reads
CREATE TABLE ai_avatar.secret_reads (
    id bigint NOT NULL,
    read_at timestamp with time zone DEFAULT now() NOT NULL,
    business_id uuid NOT NULL,
    provider text NOT NULL,
    caller text NOT NULL,
    purpose text NOT NULL,
    generation_id uuid,
    request_id text,
    address text
);

-- COMMENT ai_avatar.TABLE secret_reads
COMMENT ON TABLE ai_avatar.secret_reads IS 'Audit log of reads of provider keys: when, whose key, by which caller, for which generation';

-- SEQUENCE ai_avatar.secret_reads_id_seq
ALTER TABLE ai_avatar.secret_reads ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ai_avatar.secret_reads_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- TABLE public.businesses
CREATE TABLE public.businesses (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    business_name text NOT NULL,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now()
);

-- TABLE public.profiles
CREATE TABLE public.profiles (
    id uuid NOT NULL,
    business_id uuid,
    first_name text,
    last_name text,
    is_admin boolean DEFAULT false,
    created_at timestamp with time zone DEFAULT now()
);

-- VIEW vault.decrypted_secrets
CREATE VIEW vault.decrypted_secrets AS
 SELECT id,
    name,
    description,
    secret,
    secret AS decrypted_secret,
    key_id,
    nonce,
    created_at,
    updated_at
   FROM vault.secrets s;

-- CONSTRAINT ai_avatar.alembic_version alembic_version_pkc
ALTER TABLE ONLY ai_avatar.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

-- CONSTRAINT ai_avatar.created_objects created_objects_object_key
ALTER TABLE ONLY ai_avatar.created_objects
    ADD CONSTRAINT created_objects_object_key UNIQUE (object);

-- CONSTRAINT ai_avatar.created_objects created_objects_pkey
ALTER TABLE ONLY ai_avatar.created_objects
    ADD CONSTRAINT created_objects_pkey PRIMARY KEY ("position");

-- CONSTRAINT ai_avatar.generations generations_pkey
ALTER TABLE ONLY ai_avatar.generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (id);

-- CONSTRAINT ai_avatar.integration_details integration_details_pkey
ALTER TABLE ONLY ai_avatar.integration_details
    ADD CONSTRAINT integration_details_pkey PRIMARY KEY (integration_id);

-- CONSTRAINT ai_avatar.legacy_copies legacy_copies_pkey
ALTER TABLE ONLY ai_avatar.legacy_copies
    ADD CONSTRAINT legacy_copies_pkey PRIMARY KEY (business_id);

-- CONSTRAINT ai_avatar.saved_definitions saved_definitions_pkey
ALTER TABLE ONLY ai_avatar.saved_definitions
    ADD CONSTRAINT saved_definitions_pkey PRIMARY KEY ("position");

-- CONSTRAINT ai_avatar.secret_reads secret_reads_pkey
ALTER TABLE ONLY ai_avatar.secret_reads
    ADD CONSTRAINT secret_reads_pkey PRIMARY KEY (id);

-- CONSTRAINT public.ai_avatar_integrations ai_avatar_integrations_pkey
ALTER TABLE ONLY public.ai_avatar_integrations
    ADD CONSTRAINT ai_avatar_integrations_pkey PRIMARY KEY (id);

-- CONSTRAINT public.businesses businesses_pkey
ALTER TABLE ONLY public.businesses
    ADD CONSTRAINT businesses_pkey PRIMARY KEY (id);

-- CONSTRAINT public.content content_pkey
ALTER TABLE ONLY public.content
    ADD CONSTRAINT content_pkey PRIMARY KEY (id);

-- CONSTRAINT public.profiles profiles_pkey
ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (id);

-- CONSTRAINT public.ai_avatar_integrations unique_business_ai_avatar_provider
ALTER TABLE ONLY public.ai_avatar_integrations
    ADD CONSTRAINT unique_business_ai_avatar_provider UNIQUE (business_id, provider);

-- CONSTRAINT vault.secrets secrets_pkey
ALTER TABLE ONLY vault.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (id);

-- INDEX ai_avatar.generations_content_id
CREATE INDEX generations_content_id ON ai_avatar.generations USING btree (content_id, requested_at DESC, id DESC);

-- INDEX ai_avatar.generations_deadline
CREATE INDEX generations_deadline ON ai_avatar.generations USING btree (deadline) WHERE (status = ANY (ARRAY['dispatching'::text, 'processing'::text]));

-- INDEX ai_avatar.generations_idempotency_key
CREATE UNIQUE INDEX generations_idempotency_key ON ai_avatar.generations USING btree (business_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

-- INDEX ai_avatar.generations_live
CREATE UNIQUE INDEX generations_live ON ai_avatar.generations USING btree (content_id) WHERE (status = ANY (ARRAY['dispatching'::text, 'processing'::text]));

-- INDEX ai_avatar.generations_video_checks
CREATE INDEX generations_video_checks ON ai_avatar.generations USING btree (deadline) WHERE ((video_id IS NOT NULL) AND ((status = ANY (ARRAY['dispatching'::text, 'processing'::text, 'expired'::text])) OR ((status = 'failed'::text) AND (ended_by = 'webhook'::text))));

-- INDEX ai_avatar.integration_details_next_key_check_at
CREATE INDEX integration_details_next_key_check_at ON ai_avatar.integration_details USING btree (next_key_check_at);

-- INDEX ai_avatar.integration_details_sealing_key_id
CREATE INDEX integration_details_sealing_key_id ON ai_avatar.integration_details USING btree (sealing_key_id, secret_updated_at DESC) WHERE (sealing_key_id IS NOT NULL);

-- INDEX ai_avatar.secret_reads_business_id
CREATE INDEX secret_reads_business_id ON ai_avatar.secret_reads USING btree (business_id, read_at);

-- INDEX ai_avatar.secret_reads_read_at
CREATE INDEX secret_reads_read_at ON ai_avatar.secret_reads USING btree (read_at);

-- INDEX public.idx_ai_avatar_integrations_business_id
CREATE INDEX idx_ai_avatar_integrations_business_id ON public.ai_avatar_integrations USING btree (business_id);

-- INDEX public.idx_ai_avatar_integrations_page
CREATE INDEX idx_ai_avatar_integrations_page ON public.ai_avatar_integrations USING btree (created_at DESC, id DESC);

-- INDEX public.idx_ai_avatar_integrations_provider
CREATE INDEX idx_ai_avatar_integrations_provider ON public.ai_avatar_integrations USING btree (provider);

-- INDEX public.idx_ai_avatar_integrations_secret_id
CREATE INDEX idx_ai_avatar_integrations_secret_id ON public.ai_avatar_integrations USING btree (secret_id);

-- INDEX public.idx_ai_avatar_integrations_status
CREATE INDEX idx_ai_avatar_integrations_status ON public.ai_avatar_integrations USING btree (status);

-- INDEX public.idx_ai_avatar_integrations_status_page
CREATE INDEX idx_ai_avatar_integrations_status_page ON public.ai_avatar_integrations USING btree (COALESCE(status, 'inactive'::text), created_at DESC, id DESC);

-- INDEX public.idx_content_business_id
CREATE INDEX idx_content_business_id ON public.content USING btree (business_id, COALESCE(created_at, to_timestamp((0)::double precision)) DESC, id DESC);

-- INDEX public.idx_profiles_business_id
CREATE INDEX idx_profiles_business_id ON public.profiles USING btree (business_id);

-- INDEX vault.secrets_name_idx
CREATE UNIQUE INDEX secrets_name_idx ON vault.secrets USING btree (name) WHERE (name IS NOT NULL);

-- TRIGGER ai_avatar.generations generations_ended_at
CREATE TRIGGER generations_ended_at BEFORE INSERT OR UPDATE OF status ON ai_avatar.generations FOR EACH ROW WHEN (((new.status <> ALL (ARRAY['dispatching'::text, 'processing'::text])) OR (new.ended_at IS NOT NULL))) EXECUTE FUNCTION ai_avatar.set_ended_at();

-- TRIGGER public.ai_avatar_integrations ai_avatar_integrations_details
CREATE TRIGGER ai_avatar_integrations_details AFTER INSERT OR DELETE ON public.ai_avatar_integrations FOR EACH ROW EXECUTE FUNCTION ai_avatar.keep_integration_details();

-- TRIGGER public.ai_avatar_integrations ai_avatar_integrations_normalised
CREATE TRIGGER ai_avatar_integrations_normalised BEFORE INSERT OR UPDATE OF provider_config, avatar_id, voice_id, created_at ON public.ai_avatar_integrations FOR EACH ROW EXECUTE FUNCTION ai_avatar.normalise_integration();

-- TRIGGER public.ai_avatar_integrations ai_avatar_integrations_secret_deleted
CREATE TRIGGER ai_avatar_integrations_secret_deleted AFTER DELETE ON public.ai_avatar_integrations FOR EACH ROW WHEN ((old.secret_id IS NOT NULL)) EXECUTE FUNCTION ai_avatar.delete_orphaned_secret();

-- TRIGGER public.ai_avatar_integrations ai_avatar_integrations_secret_replaced
CREATE TRIGGER ai_avatar_integrations_secret_replaced AFTER UPDATE OF secret_id ON public.ai_avatar_integrations FOR EACH ROW WHEN (((old.secret_id IS DISTINCT FROM new.secret_id) AND (old.secret_id IS NOT NULL))) EXECUTE FUNCTION ai_avatar.delete_orphaned_secret();

-- TRIGGER public.ai_avatar_integrations ai_avatar_integrations_truncated
CREATE TRIGGER ai_avatar_integrations_truncated BEFORE TRUNCATE ON public.ai_avatar_integrations FOR EACH STATEMENT EXECUTE FUNCTION ai_avatar.delete_before_truncate();

-- TRIGGER public.ai_avatar_integrations ai_avatar_integrations_updated_at
CREATE TRIGGER ai_avatar_integrations_updated_at BEFORE UPDATE ON public.ai_avatar_integrations FOR EACH ROW EXECUTE FUNCTION public.update_ai_avatar_integrations_updated_at();

-- TRIGGER vault.secrets refuse_unsealed
CREATE TRIGGER refuse_unsealed BEFORE INSERT OR UPDATE OF secret ON vault.secrets FOR EACH ROW EXECUTE FUNCTION vault.refuse_unsealed();

-- FK CONSTRAINT ai_avatar.generations generations_content_id_fkey
ALTER TABLE ONLY ai_avatar.generations
    ADD CONSTRAINT generations_content_id_fkey FOREIGN KEY (content_id) REFERENCES public.content(id) ON DELETE CASCADE;

-- FK CONSTRAINT public.ai_avatar_integrations ai_avatar_integrations_business_id_fkey
ALTER TABLE ONLY public.ai_avatar_integrations
    ADD CONSTRAINT ai_avatar_integrations_business_id_fkey FOREIGN KEY (business_id) REFERENCES public.businesses(id) ON DELETE CASCADE;

-- FK CONSTRAINT public.ai_avatar_integrations ai_avatar_integrations_secret_id_fkey
ALTER TABLE ONLY public.ai_avatar_integrations
    ADD CONSTRAINT ai_avatar_integrations_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES vault.secrets(id) ON DELETE SET NULL;

-- FK CONSTRAINT public.content content_business_id_fkey
ALTER TABLE ONLY public.content
    ADD CONSTRAINT content_business_id_fkey FOREIGN KEY (business_id) REFERENCES public.businesses(id) ON DELETE CASCADE;

-- FK CONSTRAINT public.profiles profiles_business_id_fkey
ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_business_id_fkey FOREIGN KEY (business_id) REFERENCES public.businesses(id) ON DELETE SET NULL;

-- ROW SECURITY public.ai_avatar_integrations
ALTER TABLE public.ai_avatar_integrations ENABLE ROW LEVEL SECURITY;

-- POLICY public.ai_avatar_integrations ai_avatar_integrations_own_only
CREATE POLICY ai_avatar_integrations_own_only ON public.ai_avatar_integrations AS RESTRICTIVE TO authenticated USING ((business_id = ( SELECT ai_avatar.own_business_id() AS own_business_id)));

-- POLICY public.ai_avatar_integrations ai_avatar_integrations_select_own
CREATE POLICY ai_avatar_integrations_select_own ON public.ai_avatar_integrations FOR SELECT TO authenticated USING ((business_id = ( SELECT ai_avatar.own_business_id() AS own_business_id)));

-- POLICY public.ai_avatar_integrations ai_avatar_integrations_service_role
CREATE POLICY ai_avatar_integrations_service_role ON public.ai_avatar_integrations TO service_role USING (true) WITH CHECK (true);

-- POLICY public.ai_avatar_integrations ai_avatar_integrations_update_own
CREATE POLICY ai_avatar_integrations_update_own ON public.ai_avatar_integrations FOR UPDATE TO authenticated USING ((business_id = ( SELECT ai_avatar.own_business_id() AS own_business_id))) WITH CHECK ((business_id = ( SELECT ai_avatar.own_business_id() AS own_business_id)));

-- ROW SECURITY public.businesses
ALTER TABLE public.businesses ENABLE ROW LEVEL SECURITY;

-- ROW SECURITY public.content
ALTER TABLE public.content ENABLE ROW LEVEL SECURITY;

-- ROW SECURITY public.profiles
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;

-- POLICY public.businesses service_role_all
CREATE POLICY service_role_all ON public.businesses TO service_role USING (true) WITH CHECK (true);

-- POLICY public.content service_role_all
CREATE POLICY service_role_all ON public.content TO service_role USING (true) WITH CHECK (true);

-- POLICY public.profiles service_role_all
CREATE POLICY service_role_all ON public.profiles TO service_role USING (true) WITH CHECK (true);

-- ACL SCHEMA ai_avatar
GRANT USAGE ON SCHEMA ai_avatar TO ai_avatar_service;
GRANT USAGE ON SCHEMA ai_avatar TO service_role;

-- ACL SCHEMA auth
GRANT USAGE ON SCHEMA auth TO anon;
GRANT USAGE ON SCHEMA auth TO authenticated;
GRANT USAGE ON SCHEMA auth TO service_role;

-- ACL SCHEMA vault
GRANT USAGE ON SCHEMA vault TO service_role;

-- ACL ai_avatar.TABLE generations
GRANT SELECT ON TABLE ai_avatar.generations TO service_role;

-- ACL public.TABLE content
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.content TO service_role;

-- ACL ai_avatar.FUNCTION cancel_generation(p_business_id uuid, p_content_id uuid, p_touch_content boolean)
GRANT ALL ON FUNCTION ai_avatar.cancel_generation(p_business_id uuid, p_content_id uuid, p_touch_content boolean) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.cancel_generation(p_business_id uuid, p_content_id uuid, p_touch_content boolean) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.cancel_generation(p_business_id uuid, p_content_id uuid, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION check_caller(p_business_id uuid, p_back_end_only boolean)
REVOKE ALL ON FUNCTION ai_avatar.check_caller(p_business_id uuid, p_back_end_only boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION check_claim(p_generation ai_avatar.generations, p_execution_id text)
REVOKE ALL ON FUNCTION ai_avatar.check_claim(p_generation ai_avatar.generations, p_execution_id text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text)
GRANT ALL ON FUNCTION ai_avatar.claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.claim_credentials(p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval, p_caller text, p_purpose text, p_request_id text, p_address text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION confirm_dispatch(p_generation_id uuid, p_timeout interval)
GRANT ALL ON FUNCTION ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.confirm_dispatch(p_generation_id uuid, p_timeout interval) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION count_live_generations()
GRANT ALL ON FUNCTION ai_avatar.count_live_generations() TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.count_live_generations() TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.count_live_generations() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION count_secrets()
GRANT ALL ON FUNCTION ai_avatar.count_secrets() TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.count_secrets() TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.count_secrets() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION delete_before_truncate()
REVOKE ALL ON FUNCTION ai_avatar.delete_before_truncate() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION delete_orphaned_secret()
REVOKE ALL ON FUNCTION ai_avatar.delete_orphaned_secret() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION end_video_checks(p_generation_id uuid, p_token uuid)
GRANT ALL ON FUNCTION ai_avatar.end_video_checks(p_generation_id uuid, p_token uuid) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.end_video_checks(p_generation_id uuid, p_token uuid) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.end_video_checks(p_generation_id uuid, p_token uuid) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION expire_generations(p_limit integer, p_generation_id uuid, p_touch_content boolean)
GRANT ALL ON FUNCTION ai_avatar.expire_generations(p_limit integer, p_generation_id uuid, p_touch_content boolean) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.expire_generations(p_limit integer, p_generation_id uuid, p_touch_content boolean) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.expire_generations(p_limit integer, p_generation_id uuid, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION find_replay(p_business_id uuid, p_idempotency_key text, p_request_hash bytea)
REVOKE ALL ON FUNCTION ai_avatar.find_replay(p_business_id uuid, p_idempotency_key text, p_request_hash bytea) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION get_generation(p_generation_id uuid)
GRANT ALL ON FUNCTION ai_avatar.get_generation(p_generation_id uuid) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.get_generation(p_generation_id uuid) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.get_generation(p_generation_id uuid) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION get_latest_generation(p_business_id uuid, p_content_id uuid)
GRANT ALL ON FUNCTION ai_avatar.get_latest_generation(p_business_id uuid, p_content_id uuid) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.get_latest_generation(p_business_id uuid, p_content_id uuid) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.get_latest_generation(p_business_id uuid, p_content_id uuid) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION get_latest_generations(p_content_ids uuid[])
GRANT ALL ON FUNCTION ai_avatar.get_latest_generations(p_content_ids uuid[]) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.get_latest_generations(p_content_ids uuid[]) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.get_latest_generations(p_content_ids uuid[]) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION get_membership(p_user_id uuid)
GRANT ALL ON FUNCTION ai_avatar.get_membership(p_user_id uuid) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.get_membership(p_user_id uuid) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.get_membership(p_user_id uuid) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION get_memberships(p_user_ids uuid[])
GRANT ALL ON FUNCTION ai_avatar.get_memberships(p_user_ids uuid[]) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.get_memberships(p_user_ids uuid[]) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.get_memberships(p_user_ids uuid[]) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION get_readiness(p_samples integer)
GRANT ALL ON FUNCTION ai_avatar.get_readiness(p_samples integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.get_readiness(p_samples integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.get_readiness(p_samples integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION is_back_end()
REVOKE ALL ON FUNCTION ai_avatar.is_back_end() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION keep_integration_details()
REVOKE ALL ON FUNCTION ai_avatar.keep_integration_details() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION lease_key_checks(p_period interval, p_lease interval, p_limit integer)
GRANT ALL ON FUNCTION ai_avatar.lease_key_checks(p_period interval, p_lease interval, p_limit integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.lease_key_checks(p_period interval, p_lease interval, p_limit integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.lease_key_checks(p_period interval, p_lease interval, p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid)
GRANT ALL ON FUNCTION ai_avatar.lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid) FROM PUBLIC;

-- ACL public.TABLE ai_avatar_integrations
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ai_avatar_integrations TO service_role;

-- ACL public.COLUMN ai_avatar_integrations.id
GRANT SELECT(id) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.created_at
GRANT SELECT(created_at) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.updated_at
GRANT SELECT(updated_at),UPDATE(updated_at) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.business_id
GRANT SELECT(business_id) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.provider
GRANT SELECT(provider) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.avatar_id
GRANT SELECT(avatar_id),UPDATE(avatar_id) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.voice_id
GRANT SELECT(voice_id),UPDATE(voice_id) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.provider_config
GRANT SELECT(provider_config),UPDATE(provider_config) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.status
GRANT SELECT(status) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.validated_at
GRANT SELECT(validated_at) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL public.COLUMN ai_avatar_integrations.last_synced_at
GRANT SELECT(last_synced_at) ON TABLE public.ai_avatar_integrations TO authenticated;

-- ACL vault.TABLE secrets
GRANT SELECT,DELETE ON TABLE vault.secrets TO service_role;

-- ACL ai_avatar.FUNCTION list_all_integrations(p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer)
REVOKE ALL ON FUNCTION ai_avatar.list_all_integrations(p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer)
GRANT ALL ON FUNCTION ai_avatar.list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.list_generations(p_business_id uuid, p_content_id uuid, p_before_requested_at timestamp with time zone, p_before_id uuid, p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION list_grantees(p_schema text, p_privilege text)
REVOKE ALL ON FUNCTION ai_avatar.list_grantees(p_schema text, p_privilege text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION list_integrations(p_business_id uuid, p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer)
GRANT ALL ON FUNCTION ai_avatar.list_integrations(p_business_id uuid, p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.list_integrations(p_business_id uuid, p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.list_integrations(p_business_id uuid, p_provider text, p_status text, p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION list_overdue_generations(p_limit integer)
GRANT ALL ON FUNCTION ai_avatar.list_overdue_generations(p_limit integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.list_overdue_generations(p_limit integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.list_overdue_generations(p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION list_secrets(p_after uuid, p_limit integer)
GRANT ALL ON FUNCTION ai_avatar.list_secrets(p_after uuid, p_limit integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.list_secrets(p_after uuid, p_limit integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.list_secrets(p_after uuid, p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer)
GRANT ALL ON FUNCTION ai_avatar.list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.list_videos(p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[], p_before_created_at timestamp with time zone, p_before_id uuid, p_limit integer, p_count_up_to integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION may_expire(p_generation ai_avatar.generations)
REVOKE ALL ON FUNCTION ai_avatar.may_expire(p_generation ai_avatar.generations) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION migration_warnings()
GRANT ALL ON FUNCTION ai_avatar.migration_warnings() TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.migration_warnings() TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.migration_warnings() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION move_late_generation(p_generation ai_avatar.generations, p_report ai_avatar.generations, p_touch_content boolean)
REVOKE ALL ON FUNCTION ai_avatar.move_late_generation(p_generation ai_avatar.generations, p_report ai_avatar.generations, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION move_live_generation(p_generation ai_avatar.generations, p_report ai_avatar.generations, p_execution_id text, p_timeout interval, p_touch_content boolean)
REVOKE ALL ON FUNCTION ai_avatar.move_live_generation(p_generation ai_avatar.generations, p_report ai_avatar.generations, p_execution_id text, p_timeout interval, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION next_deadline(p_requested_at timestamp with time zone, p_timeout interval)
REVOKE ALL ON FUNCTION ai_avatar.next_deadline(p_requested_at timestamp with time zone, p_timeout interval) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION normalise_integration()
REVOKE ALL ON FUNCTION ai_avatar.normalise_integration() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION own_business_id()
GRANT ALL ON FUNCTION ai_avatar.own_business_id() TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.own_business_id() TO authenticated;
GRANT ALL ON FUNCTION ai_avatar.own_business_id() TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.own_business_id() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION owns_content(p_generation ai_avatar.generations)
REVOKE ALL ON FUNCTION ai_avatar.owns_content(p_generation ai_avatar.generations) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION providers()
REVOKE ALL ON FUNCTION ai_avatar.providers() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION purge_secret_reads(p_older_than interval, p_limit integer)
GRANT ALL ON FUNCTION ai_avatar.purge_secret_reads(p_older_than interval, p_limit integer) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.purge_secret_reads(p_older_than interval, p_limit integer) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.purge_secret_reads(p_older_than interval, p_limit integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION record_details(p_integration_id uuid, p_avatar jsonb, p_voice jsonb)
REVOKE ALL ON FUNCTION ai_avatar.record_details(p_integration_id uuid, p_avatar jsonb, p_voice jsonb) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean)
GRANT ALL ON FUNCTION ai_avatar.record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.record_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval)
GRANT ALL ON FUNCTION ai_avatar.record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.record_scheduled_key_check(p_business_id uuid, p_provider text, p_sealed_key text, p_accepted boolean, p_period interval, p_confirm_after interval) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb)
GRANT ALL ON FUNCTION ai_avatar.record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.record_sync(p_business_id uuid, p_provider text, p_avatar jsonb, p_voice jsonb) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text)
GRANT ALL ON FUNCTION ai_avatar.refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.refresh_video_url(p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text, p_subtitle_url text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text)
GRANT ALL ON FUNCTION ai_avatar.release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.release_create(p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text)
GRANT ALL ON FUNCTION ai_avatar.replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean)
GRANT ALL ON FUNCTION ai_avatar.report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.report_generation(p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text, p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text, p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval)
GRANT ALL ON FUNCTION ai_avatar.reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.reserve_create(p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION reset_content(p_business_id uuid, p_content_id uuid)
GRANT ALL ON FUNCTION ai_avatar.reset_content(p_business_id uuid, p_content_id uuid) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.reset_content(p_business_id uuid, p_content_id uuid) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.reset_content(p_business_id uuid, p_content_id uuid) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION restore_content(p_generation ai_avatar.generations, p_error_message text, p_touch_content boolean)
REVOKE ALL ON FUNCTION ai_avatar.restore_content(p_generation ai_avatar.generations, p_error_message text, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean)
GRANT ALL ON FUNCTION ai_avatar.roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.roll_back_dispatch(p_generation_id uuid, p_error text, p_timed_out boolean, p_touch_content boolean) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION sample_sealed_keys(p_sealing_key_id text, p_samples integer)
REVOKE ALL ON FUNCTION ai_avatar.sample_sealed_keys(p_sealing_key_id text, p_samples integer) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION schema_revision()
GRANT ALL ON FUNCTION ai_avatar.schema_revision() TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.schema_revision() TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.schema_revision() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION sealing_key_id(p_sealed_key text)
REVOKE ALL ON FUNCTION ai_avatar.sealing_key_id(p_sealed_key text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION set_ended_at()
REVOKE ALL ON FUNCTION ai_avatar.set_ended_at() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea)
GRANT ALL ON FUNCTION ai_avatar.start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.start_generation(p_id uuid, p_business_id uuid, p_content_id uuid, p_provider text, p_script text, p_dispatch_timeout interval, p_idempotency_key text, p_request_hash bytea) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION store_secret(p_integration_id uuid, p_sealed_key text, p_api_key_last4 text)
REVOKE ALL ON FUNCTION ai_avatar.store_secret(p_integration_id uuid, p_sealed_key text, p_api_key_last4 text) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION strip_values(p_message text, p_content_id uuid, p_changes jsonb)
REVOKE ALL ON FUNCTION ai_avatar.strip_values(p_message text, p_content_id uuid, p_changes jsonb) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION supersede_generation(p_generation_id uuid)
REVOKE ALL ON FUNCTION ai_avatar.supersede_generation(p_generation_id uuid) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION update_content(p_generation ai_avatar.generations, p_touch_content boolean, p_changes jsonb)
REVOKE ALL ON FUNCTION ai_avatar.update_content(p_generation ai_avatar.generations, p_touch_content boolean, p_changes jsonb) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb)
GRANT ALL ON FUNCTION ai_avatar.update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.update_integration(p_business_id uuid, p_provider text, p_changes jsonb, p_sealed_key text, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) FROM PUBLIC;

-- ACL ai_avatar.FUNCTION vault_encrypts()
GRANT ALL ON FUNCTION ai_avatar.vault_encrypts() TO ai_avatar_service;
GRANT ALL ON FUNCTION ai_avatar.vault_encrypts() TO service_role;
REVOKE ALL ON FUNCTION ai_avatar.vault_encrypts() FROM PUBLIC;

-- ACL ai_avatar.FUNCTION write_content(p_content_id uuid, p_changes jsonb)
REVOKE ALL ON FUNCTION ai_avatar.write_content(p_content_id uuid, p_changes jsonb) FROM PUBLIC;

-- ACL public.FUNCTION delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean)
GRANT ALL ON FUNCTION public.delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean) TO ai_avatar_service;
GRANT ALL ON FUNCTION public.delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean) TO authenticated;
GRANT ALL ON FUNCTION public.delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean) TO service_role;
REVOKE ALL ON FUNCTION public.delete_ai_avatar_integration(p_business_id uuid, p_provider text, p_must_exist boolean) FROM PUBLIC;

-- ACL public.FUNCTION get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text)
GRANT ALL ON FUNCTION public.get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text) TO ai_avatar_service;
GRANT ALL ON FUNCTION public.get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text) TO authenticated;
GRANT ALL ON FUNCTION public.get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text) TO service_role;
REVOKE ALL ON FUNCTION public.get_ai_avatar_integration(p_business_id uuid, p_provider text, p_status text) FROM PUBLIC;

-- ACL public.FUNCTION get_ai_avatar_secret(p_business_id uuid, p_provider text, p_status text, p_caller text, p_purpose text, p_generation_id uuid, p_request_id text, p_address text)
GRANT ALL ON FUNCTION public.get_ai_avatar_secret(p_business_id uuid, p_provider text, p_status text, p_caller text, p_purpose text, p_generation_id uuid, p_request_id text, p_address text) TO ai_avatar_service;
GRANT ALL ON FUNCTION public.get_ai_avatar_secret(p_business_id uuid, p_provider text, p_status text, p_caller text, p_purpose text, p_generation_id uuid, p_request_id text, p_address text) TO service_role;
REVOKE ALL ON FUNCTION public.get_ai_avatar_secret(p_business_id uuid, p_provider text, p_status text, p_caller text, p_purpose text, p_generation_id uuid, p_request_id text, p_address text) FROM PUBLIC;

-- ACL public.FUNCTION set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb)
GRANT ALL ON FUNCTION public.set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) TO ai_avatar_service;
GRANT ALL ON FUNCTION public.set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) TO authenticated;
GRANT ALL ON FUNCTION public.set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) TO service_role;
REVOKE ALL ON FUNCTION public.set_ai_avatar_integration(p_business_id uuid, p_provider text, p_api_key text, p_avatar_id text, p_voice_id text, p_config jsonb, p_id uuid, p_validated boolean, p_api_key_last4 text, p_avatar jsonb, p_voice jsonb) FROM PUBLIC;

-- ACL public.FUNCTION update_ai_avatar_integrations_updated_at()
REVOKE ALL ON FUNCTION public.update_ai_avatar_integrations_updated_at() FROM PUBLIC;

-- ACL vault.FUNCTION create_secret(new_secret text, new_name text, new_description text, new_key_id uuid)
GRANT ALL ON FUNCTION vault.create_secret(new_secret text, new_name text, new_description text, new_key_id uuid) TO service_role;
REVOKE ALL ON FUNCTION vault.create_secret(new_secret text, new_name text, new_description text, new_key_id uuid) FROM PUBLIC;

-- ACL vault.FUNCTION refuse_unsealed()
REVOKE ALL ON FUNCTION vault.refuse_unsealed() FROM PUBLIC;

-- ACL vault.FUNCTION update_secret(secret_id uuid, new_secret text, new_name text, new_description text, new_key_id uuid)
GRANT ALL ON FUNCTION vault.update_secret(secret_id uuid, new_secret text, new_name text, new_description text, new_key_id uuid) TO service_role;
REVOKE ALL ON FUNCTION vault.update_secret(secret_id uuid, new_secret text, new_name text, new_description text, new_key_id uuid) FROM PUBLIC;

-- ACL ai_avatar.TABLE secret_reads
GRANT SELECT ON TABLE ai_avatar.secret_reads TO service_role;

-- ACL public.TABLE businesses
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.businesses TO service_role;

-- ACL public.TABLE profiles
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.profiles TO service_role;

-- ACL vault.TABLE decrypted_secrets
GRANT SELECT,DELETE ON TABLE vault.decrypted_secrets TO service_role;
