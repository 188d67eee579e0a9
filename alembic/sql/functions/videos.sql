-- Reading content items with their generations, and refreshing video links.

create or replace function ai_avatar.get_latest_generation(p_business_id uuid, p_content_id uuid)
returns setof ai_avatar.generation_states
language plpgsql stable security definer rows 1 set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select s.* from ai_avatar.generation_states as s
    where s.content_id = p_content_id and s.business_id = s.content_business_id
        and (p_business_id is null or s.business_id = p_business_id)
    order by s.requested_at desc, s.id desc
    limit 1;
end;
$$;

create or replace function ai_avatar.get_latest_generations(p_content_ids uuid[])
returns setof ai_avatar.generation_states
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.list_generations(
    p_business_id uuid, p_content_id uuid, p_before_requested_at timestamptz, p_before_id uuid, p_limit integer
)
returns setof ai_avatar.generation_states
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.list_videos(
    p_business_id uuid, p_heygen_status text, p_title_part text, p_content_ids uuid[],
    p_before_created_at timestamptz, p_before_id uuid, p_limit integer, p_count_up_to integer
)
returns table (
    content_id uuid, content_title text, video_script text, heygen_status text, heygen_url text,
    created_at timestamptz, generation jsonb, total_count integer
)
-- A generic plan cannot tell a first page from a later one, and reads all items of the business for either.
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
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

create or replace function ai_avatar.reset_content(p_business_id uuid, p_content_id uuid)
returns table (
    content_id uuid, content_title text, video_script text, heygen_status text, heygen_url text,
    created_at timestamptz, generation jsonb
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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

create or replace function ai_avatar.refresh_video_url(
    p_generation_id uuid, p_video_id text, p_video_url text, p_thumbnail_url text, p_captioned_video_url text,
    p_subtitle_url text
)
returns setof ai_avatar.generation_states
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
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

revoke all on function
ai_avatar.get_latest_generation,
ai_avatar.get_latest_generations,
ai_avatar.list_generations,
ai_avatar.list_videos,
ai_avatar.reset_content,
ai_avatar.refresh_video_url
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.get_latest_generation,
ai_avatar.get_latest_generations,
ai_avatar.list_generations,
ai_avatar.list_videos,
ai_avatar.reset_content,
ai_avatar.refresh_video_url
to service_role, ai_avatar_service;

comment on function ai_avatar.get_latest_generations is
'The latest generation of each content item: one call serves all event streams of a process';
comment on function ai_avatar.list_generations is
'A page of the generations of a content item, newest first; AV002 when the business has no such item';
comment on function ai_avatar.list_videos is
'A page of the content items of a business, newest first, each with its latest generation or NULL; total_count is the
number of all that match, counted up to p_count_up_to, NULL without it';
comment on function ai_avatar.reset_content is
'Clears what the service wrote into a content item without a live generation, and returns the item as list_videos does';
comment on function ai_avatar.refresh_video_url is
'Stores new links to the same video in the generation and the content item, because providers'' links expire';
