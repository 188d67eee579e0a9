-- Drops the indexes that the way up created.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

select pg_temp.lock_tables('access exclusive', 'public.content', 'public.businesses');

do $$
declare
    v_created record;
begin
    for v_created in
        delete from ai_avatar.created_objects as m where m.kind = 'index' returning m.object
    loop
        execute format('drop index if exists %s', v_created.object);
    end loop;
end;
$$;
