-- For readiness checks and operators.

create or replace function ai_avatar.schema_revision()
returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select max(v.version_num) from ai_avatar.alembic_version as v);
end;
$$;

create or replace function ai_avatar.migration_warnings()
returns setof text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table pg_catalog.pg_class;
    v_verb text;
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
end;
$$;

revoke all on function
ai_avatar.schema_revision,
ai_avatar.migration_warnings
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.schema_revision,
ai_avatar.migration_warnings
to service_role, ai_avatar_service;

comment on function ai_avatar.migration_warnings is
'Settings of this database that let a user reach another business, one sentence each';
