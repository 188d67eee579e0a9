-- Asking the provider for videos that were paid for and of which n8n has not reported the end.

create or replace function ai_avatar.lease_video_checks(p_limit integer, p_generation_id uuid, p_token uuid)
returns setof ai_avatar.generation_states
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.end_video_checks(p_generation_id uuid, p_token uuid)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    update ai_avatar.generations as g set next_check_at = 'infinity'
    where g.id = p_generation_id and g.check_token = p_token;
end;
$$;

revoke all on function ai_avatar.lease_video_checks, ai_avatar.end_video_checks
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function ai_avatar.lease_video_checks, ai_avatar.end_video_checks to service_role, ai_avatar_service;

comment on function ai_avatar.lease_video_checks is
'Generations of which the provider is to be asked now, by this caller and no other: those past their deadline, for 24
hours, or the named one; a generation is leased at most once a minute, to p_token';
comment on function ai_avatar.end_video_checks is
'The provider has no video of this generation, or it failed there; no effect once p_token has lost its lease';
