-- The copies stay while their table does; what made them follow the old columns goes.

set local lock_timeout = '10s';
set local search_path = '';

alter table public.ai_avatar_integrations
drop constraint ai_avatar_integrations_secret_id_fkey,
add constraint ai_avatar_integrations_secret_id_fkey foreign key (secret_id) references vault.secrets (id);

drop index if exists public.ai_avatar_legacy_secret_id;

create or replace function ai_avatar.delete_orphaned_secret()
returns trigger language plpgsql security definer set search_path = '' as $$
begin
    delete from vault.secrets as s
    where s.id = old.secret_id
        and not exists (select from public.ai_avatar_integrations as ai where ai.secret_id = s.id);
    return null;
end;
$$;

drop table ai_avatar.legacy_copies;
