-- A stand-in for Supabase Vault with the same table, view, functions and grants. It does not encrypt, so it accepts
-- only keys that the service has sealed. A trigger enforces this and not a CHECK: the DETAIL of a violated CHECK
-- prints the whole row.
do $migration$
begin
    if to_regprocedure('vault.create_secret(text, text, text, uuid)') is not null then
        -- Some images of Supabase lack it (docs/deploy-supabase.md).
        if not has_table_privilege('vault.secrets', 'references') then
            raise exception 'The role % lacks REFERENCES on vault.secrets. '
                'As supabase_admin, run: grant references on vault.secrets to %', current_user, quote_ident(current_user)
                using errcode = 'insufficient_privilege';
        end if;
        return;
    end if;
    if to_regnamespace('vault') is null then
        create schema vault;
        insert into ai_avatar.created_objects (kind, object) values ('schema', 'vault');
    end if;

    create table vault.secrets (
        id uuid primary key default gen_random_uuid(),
        name text,
        description text not null default '',
        secret text not null,
        key_id uuid,
        nonce bytea,
        created_at timestamptz not null default current_timestamp,
        updated_at timestamptz not null default current_timestamp
    );
    create unique index secrets_name_idx on vault.secrets (name) where name is not null;

    create view vault.decrypted_secrets as
    select s.id, s.name, s.description, s.secret, s.secret as decrypted_secret, s.key_id, s.nonce,
        s.created_at, s.updated_at
    from vault.secrets as s;

    create function vault.refuse_unsealed() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
        if new.secret !~ '^sealed:v1:[A-Za-z0-9_.-]+:[A-Za-z0-9_-]+$' then
            raise exception 'This vault does not encrypt: it takes sealed secrets only'
                using errcode = 'AV010', hint = 'Save the key through the service, which seals it with SECRETS_KEYS.';
        end if;
        return new;
    end;
    $$;
    create trigger refuse_unsealed before insert or update of secret on vault.secrets
    for each row execute function vault.refuse_unsealed();

    create function vault.create_secret(
        new_secret text, new_name text default null, new_description text default '',
        new_key_id uuid default null
    ) returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
        v_id uuid;
    begin
        insert into vault.secrets (secret, name, description, key_id)
        values (new_secret, new_name, coalesce(new_description, ''), new_key_id)
        returning id into v_id;
        return v_id;
    end;
    $$;

    create function vault.update_secret(
        secret_id uuid, new_secret text default null, new_name text default null,
        new_description text default null, new_key_id uuid default null
    ) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
        update vault.secrets as s
        set secret = coalesce(new_secret, s.secret),
            name = coalesce(new_name, s.name),
            description = coalesce(new_description, s.description),
            key_id = coalesce(new_key_id, s.key_id),
            updated_at = clock_timestamp()
        where s.id = secret_id;
    end;
    $$;

    insert into ai_avatar.created_objects (kind, object) values
    ('function', 'vault.refuse_unsealed()'),
    ('table', 'vault.secrets'),
    ('view', 'vault.decrypted_secrets'),
    ('function', 'vault.create_secret(text, text, text, uuid)'),
    ('function', 'vault.update_secret(uuid, text, text, text, uuid)');

    revoke all on schema vault from public, anon, authenticated;
    revoke all on all tables in schema vault from public, anon, authenticated;
    revoke all on all functions in schema vault from public, anon, authenticated;
    grant usage on schema vault to service_role;
    grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
    grant execute on function vault.create_secret(text, text, text, uuid),
    vault.update_secret(uuid, text, text, text, uuid) to service_role;
end;
$migration$;
