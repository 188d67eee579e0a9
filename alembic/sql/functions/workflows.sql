-- For n8n's workflows: claim a generation, create its video, report its progress.

-- Raises an error unless the generation is live and p_execution_id may continue it. The caller holds its lock.
create or replace function ai_avatar.check_claim(p_generation ai_avatar.generations, p_execution_id text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.claim_credentials(
    p_business_id uuid, p_provider text, p_generation_id uuid, p_execution_id text, p_timeout interval,
    p_caller text, p_purpose text, p_request_id text, p_address text
)
returns table (
    business_id uuid, provider text, sealed_key text, avatar_id text, voice_id text,
    provider_config jsonb, script text, video_id text
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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

create or replace function ai_avatar.reserve_create(
    p_generation_id uuid, p_token uuid, p_key_hash bytea, p_lease interval, p_repeat_within interval
)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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

create or replace function ai_avatar.release_create(
    p_generation_id uuid, p_token uuid, p_is_refused boolean, p_error_code text
)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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

create or replace function ai_avatar.report_generation(
    p_generation_id uuid, p_content_id uuid, p_provider text, p_execution_id text, p_status text, p_video_id text,
    p_video_url text, p_thumbnail_url text, p_duration_seconds double precision, p_captioned_video_url text,
    p_subtitle_url text, p_error text, p_error_code text, p_timeout interval, p_from_provider boolean,
    p_touch_content boolean
)
returns setof ai_avatar.generation_states
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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

-- The caller of these two holds the locks of the content item and the generation.
create or replace function ai_avatar.move_live_generation(
    p_generation ai_avatar.generations, p_report ai_avatar.generations, p_execution_id text, p_timeout interval,
    p_touch_content boolean
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.move_late_generation(
    p_generation ai_avatar.generations, p_report ai_avatar.generations, p_touch_content boolean
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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

revoke all on function
ai_avatar.check_claim,
ai_avatar.claim_credentials,
ai_avatar.reserve_create,
ai_avatar.release_create,
ai_avatar.report_generation,
ai_avatar.move_live_generation,
ai_avatar.move_late_generation
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.claim_credentials,
ai_avatar.reserve_create,
ai_avatar.release_create,
ai_avatar.report_generation
to service_role, ai_avatar_service;

comment on function ai_avatar.claim_credentials is
'Returns the active integration with its stored key and records the read; with a generation, claims it';
comment on function ai_avatar.reserve_create is
'granted: the holder of p_token, and no other, may request the video for p_lease, and may ask this again; pending:
another call may; settled: there is a video, or the generation has ended; unknown: an earlier request may have created a
video, and the provider does not guarantee (p_repeat_within, NULL for never) that a repeat would not create another';
comment on function ai_avatar.release_create is
'Ends the reservation of p_token, and no other. p_is_refused: the provider certainly created no video';
comment on function ai_avatar.report_generation is
'Applies a report to a generation and its content item; a repeated or outdated report changes nothing';
