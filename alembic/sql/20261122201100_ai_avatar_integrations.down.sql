-- Drops the service's functions. A table that these migrations created is dropped with its secrets. A table that was
-- taken over keeps its rows and gets the original plan's functions and grants back.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off;  -- the restored functions were written for another search_path

--! include shared/lock_tables.sql

select pg_temp.lock_tables(
    'access exclusive', 'public.ai_avatar_integrations', 'public.businesses', 'vault.secrets'
);

drop function public.get_ai_avatar_integration;
drop function public.get_ai_avatar_secret;
drop function public.set_ai_avatar_integration;
drop function public.delete_ai_avatar_integration;

drop trigger ai_avatar_integrations_secret_deleted on public.ai_avatar_integrations;
drop trigger ai_avatar_integrations_secret_replaced on public.ai_avatar_integrations;
drop trigger ai_avatar_integrations_truncated on public.ai_avatar_integrations;
drop trigger ai_avatar_integrations_normalised on public.ai_avatar_integrations;
drop trigger ai_avatar_integrations_details on public.ai_avatar_integrations;
drop policy ai_avatar_integrations_select_own on public.ai_avatar_integrations;
drop policy ai_avatar_integrations_update_own on public.ai_avatar_integrations;
drop policy ai_avatar_integrations_own_only on public.ai_avatar_integrations;
drop policy ai_avatar_integrations_service_role on public.ai_avatar_integrations;

drop function ai_avatar.migration_warnings;
drop function ai_avatar.list_grantees;
drop function ai_avatar.get_readiness;
drop function ai_avatar.sample_sealed_keys;
drop function ai_avatar.schema_revision;
drop function ai_avatar.get_memberships;
drop function ai_avatar.get_membership;
drop function ai_avatar.replace_secret;
drop function ai_avatar.count_secrets;
drop function ai_avatar.list_secrets;
drop function ai_avatar.purge_secret_reads;
drop function ai_avatar.record_sync;
drop function ai_avatar.lease_key_checks;
drop function ai_avatar.record_scheduled_key_check;
drop function ai_avatar.record_key_check;
drop table ai_avatar.secret_reads;
drop function ai_avatar.update_integration;
drop function ai_avatar.store_secret;
drop function ai_avatar.list_integrations;
drop function ai_avatar.list_all_integrations;
drop view ai_avatar.integrations, ai_avatar.integration_choices;
drop function ai_avatar.keep_integration_details;
drop function ai_avatar.record_details;
drop table ai_avatar.integration_details;
drop function ai_avatar.vault_encrypts;
drop function ai_avatar.providers;
drop function ai_avatar.check_caller;
drop function ai_avatar.is_back_end;
drop function ai_avatar.own_business_id;
drop function ai_avatar.delete_before_truncate;
drop function ai_avatar.sealing_key_id;
drop function ai_avatar.normalise_integration;
drop function ai_avatar.delete_orphaned_secret;

--! include shared/saved_definitions.sql

do $$
declare
    v_secret_ids uuid[];
begin
    if exists (select from ai_avatar.created_objects as m where m.object = 'public.ai_avatar_integrations') then
        select array_agg(ai.secret_id) into v_secret_ids
        from public.ai_avatar_integrations as ai where ai.secret_id is not null;
        drop table public.ai_avatar_integrations;
        drop function public.update_ai_avatar_integrations_updated_at();
        delete from ai_avatar.created_objects as m where m.object = 'public.ai_avatar_integrations';
        -- Secrets that the legacy columns refer to stay.
        if exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = 'public.businesses'::regclass and a.attname = 'heygen_secret_id'
                and not a.attisdropped
        ) then
            execute 'delete from vault.secrets as s where s.id = any ($1) and not exists ('
                'select from public.businesses as b where b.heygen_secret_id = s.id)'
            using v_secret_ids;
        else
            delete from vault.secrets as s where s.id = any (v_secret_ids);
        end if;
    else
        drop index public.idx_ai_avatar_integrations_secret_id;
        drop index public.idx_ai_avatar_integrations_page;
        drop index public.idx_ai_avatar_integrations_status_page;
        revoke all on table public.ai_avatar_integrations from public, anon, authenticated, service_role;
        perform pg_temp.restore_definitions('20261122201100');
    end if;
    delete from ai_avatar.saved_definitions as r where r.revision = '20261122201100';
end;
$$;
