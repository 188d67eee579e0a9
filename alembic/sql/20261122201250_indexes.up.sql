-- Indexes on the application's own tables, each unless one fits already. Online they are created concurrently; in a SQL
-- file within its transaction, in which writers wait.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

create or replace function pg_temp.index_statements(p_online boolean)
returns setof text language plpgsql set search_path = pg_catalog, pg_temp as $migration$
declare
    v_index record;
    v_concurrently text;
begin
    if not p_online then
        return next 'select pg_temp.lock_tables(''share'', ''public.content'', ''public.businesses'')';
    end if;
    for v_index in
        select wanted.*, 'public.' || wanted.name as object, c.relkind
        from (
            values
            -- Pages of a business's content items. Only for this type is the expression immutable.
            (
                'idx_content_ai_avatar_page', 'public.content', 'created_at', 'timestamptz',
                '(business_id, COALESCE(created_at, to_timestamp((0)::double precision)) DESC, id DESC)'
            ),
            -- The old column that names a secret which is about to be deleted.
            ('ai_avatar_legacy_secret_id', 'public.businesses', 'heygen_secret_id', 'uuid', '(heygen_secret_id)')
        ) as wanted (name, on_table, on_column, type, keys)
        join pg_catalog.pg_class as c on c.oid = wanted.on_table::regclass
        join pg_catalog.pg_attribute as a
            on a.attrelid = c.oid and a.attname = wanted.on_column and a.atttypid = wanted.type::regtype
            and not a.attisdropped
        where not exists (
            select from pg_catalog.pg_index as i
            cross join lateral split_part(pg_get_indexdef(i.indexrelid), ' USING btree ', 2) as found (keys)
            where i.indrelid = c.oid and i.indisvalid and i.indpred is null
                and (
                    starts_with(found.keys, wanted.keys)
                    or starts_with(found.keys, left(wanted.keys, -1) || ',')
                )
        )
    loop
        v_concurrently := case when p_online and v_index.relkind = 'r' then 'concurrently' end;
        return next format(
            'insert into ai_avatar.created_objects (kind, object) values (''index'', %L) on conflict do nothing',
            v_index.object
        );
        -- Left by an attempt that was interrupted.
        if exists (
            select from pg_catalog.pg_index as i
            where i.indexrelid = to_regclass(v_index.object) and not i.indisvalid
        ) then
            return next format('drop index %s %s', v_concurrently, v_index.object);
        end if;
        return next format(
            'create index %s %I on %s %s', v_concurrently, v_index.name, v_index.on_table, v_index.keys
        );
    end loop;
end;
$migration$;
