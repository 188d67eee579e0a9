-- Drops what the baseline created, newest first; never a role, because another database may use it.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

do $$
declare
    v_made record;
begin
    if exists (select from ai_avatar.created_objects as m where m.kind = 'column') then
        perform pg_temp.lock_tables('access exclusive', 'public.content');
    end if;
    for v_made in select m.kind, m.object from ai_avatar.created_objects as m order by m.position desc loop
        if v_made.kind = 'column' then
            execute format(
                'alter table %s drop column %s',
                substring(v_made.object from '^(.*)\.[^.]+$'), substring(v_made.object from '[^.]+$')
            );
        else
            execute format('drop %s %s', v_made.kind, v_made.object);
        end if;
    end loop;
end;
$$;

drop table ai_avatar.created_objects;
drop table ai_avatar.saved_definitions;
revoke usage on schema ai_avatar from service_role, ai_avatar_service;
