-- While both applications use the same secrets, this service must clear the old column before it deletes one. Only
-- where businesses.heygen_secret_id exists.

create or replace function ai_avatar.delete_orphaned_secret()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update public.businesses as b set heygen_secret_id = null
    where b.id = old.business_id and b.heygen_secret_id = old.secret_id;
    delete from vault.secrets as s
    where s.id = old.secret_id
        and not exists (select from public.ai_avatar_integrations as ai where ai.secret_id = s.id)
        and not exists (select from public.businesses as b where b.heygen_secret_id = s.id);
    return null;
end;
$$;
