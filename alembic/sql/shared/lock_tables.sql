-- For a revision that needs a strong lock on a table that others write to. Gets the locks on all the tables or on none:
-- it waits for the first one briefly and for the others not at all, so no writer waits long behind it, and no writer
-- that holds one table and needs another can deadlock with it. A temporary function, because only migrations call it.

create or replace function pg_temp.lock_tables(p_mode text, variadic p_tables regclass[])
returns void language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
begin
    for v_attempt in 1..40 loop
        begin
            for v_position in 1..cardinality(p_tables) loop
                execute format(
                    'lock table %s in %s mode %s', p_tables[v_position], p_mode,
                    case when v_position > 1 then 'nowait' end
                );
            end loop;
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 + random() * 0.1);  -- outside of the block: its locks are released
        end;
    end loop;
    raise exception 'Other transactions hold % for too long: run the migration again when they have ended',
        array_to_string(p_tables, ', ')
        using errcode = 'lock_not_available';
end;
$$;
