-- Who calls, and the business that a user works for.

create or replace function ai_avatar.own_business_id()
returns uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_business_id uuid;
begin
    select p.business_id into v_business_id from public.profiles as p where p.id = auth.uid();
    return v_business_id;
exception when invalid_text_representation then
    return null;  -- a `sub` that is no UUID belongs to no profile
end;
$$;

create or replace function ai_avatar.is_back_end()
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- `role` is what PostgREST switched to, also inside a definer function; on a direct login it is 'none'. Claims do
    -- not count: anyone who can run SQL can set them.
    return has_schema_privilege(
        case current_setting('role') when 'none' then session_user else current_setting('role')::name end,
        'ai_avatar', 'usage'
    );
end;
$$;

create or replace function ai_avatar.check_caller(p_business_id uuid, p_back_end_only boolean default false)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if ai_avatar.is_back_end() then
        return;
    end if;
    if p_back_end_only or (p_business_id = ai_avatar.own_business_id()) is not true then
        raise exception 'Not your business' using errcode = '42501';
    end if;
end;
$$;

create or replace function ai_avatar.get_membership(p_user_id uuid)
returns uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select p.business_id from public.profiles as p where p.id = p_user_id);
end;
$$;

-- One call for all the event streams of a process.
create or replace function ai_avatar.get_memberships(p_user_ids uuid[])
returns table (user_id uuid, business_id uuid)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select p.id, p.business_id from public.profiles as p
    where p.id = any(p_user_ids) and p.business_id is not null;
end;
$$;

revoke all on function
ai_avatar.own_business_id,
ai_avatar.is_back_end,
ai_avatar.check_caller,
ai_avatar.get_membership,
ai_avatar.get_memberships
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.own_business_id
to authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.get_membership,
ai_avatar.get_memberships
to service_role, ai_avatar_service;

comment on function ai_avatar.own_business_id is
'The business of the signed-in caller (profiles.business_id of auth.uid()), or NULL';
comment on function ai_avatar.is_back_end is 'Whether the caller is a back end: it may use the schema ai_avatar';
comment on function ai_avatar.check_caller is
'Raises 42501 unless the caller is a back end (it may use the schema ai_avatar) or, where users are allowed, a
signed-in user of that business';
comment on function ai_avatar.get_membership is 'The business of a user (profiles.business_id), or NULL';
comment on function ai_avatar.get_memberships is 'The businesses of these users; users without one are left out';
