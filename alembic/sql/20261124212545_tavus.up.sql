set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

select pg_temp.lock_tables('access exclusive', 'public.ai_avatar_integrations');

alter table public.ai_avatar_integrations drop constraint if exists ai_avatar_integrations_provider_check;
alter table public.ai_avatar_integrations add constraint ai_avatar_integrations_provider_check
check (provider in ('heygen', 'tavus'));
