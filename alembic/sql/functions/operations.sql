-- For readiness checks and operators.

create or replace function ai_avatar.schema_revision()
returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select max(v.version_num) from ai_avatar.alembic_version as v);
end;
$$;

-- The revision and, of each sealing key, the latest p_samples keys that a back end stored with it: in one call.
create or replace function ai_avatar.get_readiness(p_samples integer)
returns table (revision text, samples jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.sample_sealed_keys(p_sealing_key_id text, p_samples integer)
returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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

create or replace function ai_avatar.migration_warnings()
returns setof text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
$$;

-- The roles that a schema's privilege was granted to, except superusers and those that could grant it to themselves.
create or replace function ai_avatar.list_grantees(p_schema text, p_privilege text)
returns setof text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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

revoke all on function
ai_avatar.schema_revision,
ai_avatar.get_readiness,
ai_avatar.sample_sealed_keys,
ai_avatar.migration_warnings,
ai_avatar.list_grantees
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.schema_revision,
ai_avatar.get_readiness,
ai_avatar.migration_warnings
to service_role, ai_avatar_service;

comment on function ai_avatar.get_readiness is
'The revision, and the latest p_samples stored keys of each sealing key: [] for 0';
comment on function ai_avatar.migration_warnings is
'Settings of this database that let a user reach another business, one sentence each';
