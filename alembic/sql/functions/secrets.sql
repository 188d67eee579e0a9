-- Stored keys: writing, reading with an audit row, and sealing again.

create or replace function ai_avatar.vault_encrypts()
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from pg_catalog.pg_extension as e where e.extname = 'supabase_vault')
$$;

-- A user's text may only look sealed, so its key id is not kept: nothing may depend on whether it opens.
create or replace function ai_avatar.sealing_key_id(p_sealed_key text)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if ai_avatar.is_back_end() then
        return substring(p_sealed_key from '^sealed:v1:([A-Za-z0-9_.-]{1,64}):');
    end if;
    return null;
end;
$$;

create or replace function ai_avatar.store_secret(p_integration_id uuid, p_sealed_key text, p_api_key_last4 text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_integration public.ai_avatar_integrations;
    v_secret_id uuid;
    v_name text;
begin
    select ai.* into v_integration from public.ai_avatar_integrations as ai where ai.id = p_integration_id;
    v_secret_id := v_integration.secret_id;
    if v_secret_id is null then
        v_name := format('ai_avatar_%s_key_for_business_%s', v_integration.provider, v_integration.business_id);
        -- An earlier delete that did not know the vault may have left a secret of this name: adopt it.
        select s.id into v_secret_id from vault.secrets as s where s.name = v_name;
        if v_secret_id is null then
            -- Supabase's create_secret writes its argument in plain text before it encrypts it; update_secret does
            -- not. So a placeholder is created first. It looks sealed, because the stand-in refuses other text.
            v_secret_id := vault.create_secret('sealed:v1:none:placeholder', v_name, 'AI avatar provider API key');
        end if;
        update public.ai_avatar_integrations as ai set secret_id = v_secret_id where ai.id = p_integration_id;
    end if;
    perform vault.update_secret(v_secret_id, p_sealed_key);
    update ai_avatar.integration_details as d
    set api_key_last4 = p_api_key_last4,
        api_key_set_at = now(),
        secret_updated_at = (select s.updated_at from vault.secrets as s where s.id = v_secret_id),
        sealing_key_id = ai_avatar.sealing_key_id(p_sealed_key),
        next_key_check_at = null,
        key_rejected_at = null
    where d.integration_id = p_integration_id;
end;
$$;

create or replace function ai_avatar.purge_secret_reads(p_older_than interval, p_limit integer)
returns integer language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_deleted integer;
begin
    delete from ai_avatar.secret_reads as r
    where r.id in (
        select old.id from ai_avatar.secret_reads as old
        where old.read_at < now() - p_older_than
        order by old.read_at
        limit p_limit
        for update skip locked
    );
    get diagnostics v_deleted = row_count;
    return v_deleted;
end;
$$;

-- For key rotation: a page of the stored keys.
create or replace function ai_avatar.list_secrets(p_after uuid, p_limit integer)
returns table (secret_id uuid, business_id uuid, provider text, sealed_key text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    select ai.secret_id, ai.business_id, ai.provider, s.decrypted_secret::text
    from public.ai_avatar_integrations as ai
    join vault.decrypted_secrets as s on s.id = ai.secret_id
    where p_after is null or ai.secret_id > p_after
    order by ai.secret_id
    limit p_limit;
end;
$$;

create or replace function ai_avatar.count_secrets()
returns bigint language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select count(*) from public.ai_avatar_integrations as ai where ai.secret_id is not null);
end;
$$;

create or replace function ai_avatar.replace_secret(p_secret_id uuid, p_old_sealed_key text, p_new_sealed_key text)
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
    v_integration_id uuid;
    v_updated_at timestamptz;
begin
    -- The row's lock keeps a save of a new key out while old and new are compared.
    select ai.id into v_integration_id from public.ai_avatar_integrations as ai
    where ai.secret_id = p_secret_id
    for update;
    select s.updated_at into v_updated_at from vault.decrypted_secrets as s
    where s.id = p_secret_id and s.decrypted_secret = p_old_sealed_key;
    if not found then
        return false;
    end if;
    perform vault.update_secret(p_secret_id, p_new_sealed_key);
    -- It is still the same API key, whose last characters are known.
    update ai_avatar.integration_details as d
    set sealing_key_id = ai_avatar.sealing_key_id(p_new_sealed_key),
        secret_updated_at = case
            when d.secret_updated_at = v_updated_at
                then (select s.updated_at from vault.secrets as s where s.id = p_secret_id)
            else d.secret_updated_at
        end
    where d.integration_id = v_integration_id;
    return true;
end;
$$;

-- TRUNCATE fires no row trigger, so it becomes a DELETE, which does.
create or replace function ai_avatar.delete_before_truncate()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    delete from public.ai_avatar_integrations;
    return null;
end;
$$;

revoke all on function
ai_avatar.vault_encrypts,
ai_avatar.sealing_key_id,
ai_avatar.store_secret,
ai_avatar.purge_secret_reads,
ai_avatar.list_secrets,
ai_avatar.count_secrets,
ai_avatar.replace_secret,
ai_avatar.delete_before_truncate
from public, anon, authenticated, service_role, ai_avatar_service;
grant execute on function
ai_avatar.vault_encrypts,
ai_avatar.purge_secret_reads,
ai_avatar.list_secrets,
ai_avatar.count_secrets,
ai_avatar.replace_secret
to service_role, ai_avatar_service;

comment on function ai_avatar.vault_encrypts is
'Whether the vault is Supabase''s own extension, which encrypts; the stand-in does not';
comment on function ai_avatar.store_secret is
'Stores a key in the vault, and its last characters where they are known; the caller must hold the lock on the
integration''s row';
comment on function ai_avatar.replace_secret is
'Replaces a stored key if it is still the old one; returns whether it was';
