-- Deletes the secret that a deleted integration referred to. In its own file, because the revision that copies the
-- legacy columns replaces this function until the clean-up.

create or replace function ai_avatar.delete_orphaned_secret()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    delete from vault.secrets as s
    where s.id = old.secret_id
        and not exists (select from public.ai_avatar_integrations as ai where ai.secret_id = s.id);
    return null;
end;
$$;

revoke all on function
ai_avatar.delete_orphaned_secret
from public, anon, authenticated, service_role, ai_avatar_service;
