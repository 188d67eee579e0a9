-- Writing the application's content items. Its triggers and constraints may refuse; no generation depends on that.

-- Changes an item whose lock the caller holds; p_changes has the columns by name. Returns NULL, or why the database
-- refused: SQLSTATE and message, without values.
create or replace function ai_avatar.write_content(p_content_id uuid, p_changes jsonb)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
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

-- A message may quote the row, which holds the tenant's texts and links.
create or replace function ai_avatar.strip_values(p_message text, p_content_id uuid, p_changes jsonb)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
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
$$;

-- As write_content, for a generation: a refusal is noted there and changes nothing else.
-- p_touch_content false: an update did not end in time, and is not tried again.
create or replace function ai_avatar.update_content(
    p_generation ai_avatar.generations, p_touch_content boolean, p_changes jsonb
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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

-- An item may have moved to another business, which must see nothing of this business's generation.
create or replace function ai_avatar.owns_content(p_generation ai_avatar.generations)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return exists (
        select from public.content as c
        where c.id = p_generation.content_id and c.business_id = p_generation.business_id
    );
end;
$$;

-- Restores what the item was, unless something newer has changed it. The caller holds the item's lock.
create or replace function ai_avatar.restore_content(
    p_generation ai_avatar.generations, p_error_message text, p_touch_content boolean
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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

revoke all on function
ai_avatar.write_content,
ai_avatar.strip_values,
ai_avatar.update_content,
ai_avatar.owns_content,
ai_avatar.restore_content
from public, anon, authenticated, service_role, ai_avatar_service;

comment on function ai_avatar.write_content is
'Changes a content item in a block of its own; NULL, or why the database refused, without values';
comment on function ai_avatar.update_content is
'Changes a generation''s content item; a refusal is noted in the generation, which goes on all the same';
