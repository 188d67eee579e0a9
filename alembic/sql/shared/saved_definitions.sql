-- For a revision that replaces or drops what it found: keep it in ai_avatar.saved_definitions, as the statements that
-- bring it back, and run those on the way down. Temporary functions, because only a migration calls them.

create or replace function pg_temp.save_functions(p_revision text, p_functions oid[])
returns void language sql set search_path = pg_catalog, pg_temp as $$
    insert into ai_avatar.saved_definitions (revision, statement)
    select p_revision, statement
    from (
        select p.oid, 1 as step, pg_get_functiondef(p.oid) as statement
        from pg_catalog.pg_proc as p
        where p.oid = any (p_functions)
        union all
        select p.oid, 2, format(
            'revoke all on function %s from public, anon, authenticated, service_role', p.oid::regprocedure
        )
        from pg_catalog.pg_proc as p
        where p.oid = any (p_functions)
        union all
        select p.oid, 3, format(
            'grant execute on function %s to %s', p.oid::regprocedure,
            case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
        )
        from pg_catalog.pg_proc as p,
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
        where p.oid = any (p_functions)
        union all
        select p.oid, 4, format('comment on function %s is %L', p.oid::regprocedure, obj_description(p.oid, 'pg_proc'))
        from pg_catalog.pg_proc as p
        where p.oid = any (p_functions) and obj_description(p.oid, 'pg_proc') is not null
    ) as found
    order by step, oid
$$;

create or replace function pg_temp.restore_definitions(p_revision text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_statement text;
begin
    for v_statement in
        select s.statement from ai_avatar.saved_definitions as s
        where s.revision = p_revision
        order by s.position
    loop
        execute v_statement;
    end loop;
    delete from ai_avatar.saved_definitions as s where s.revision = p_revision;
end;
$$;
