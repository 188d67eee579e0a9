-- Privileges: the result is the same with and without Supabase's default privileges.

revoke all on table public.ai_avatar_integrations from public, anon, authenticated, service_role;
grant select (
    id, created_at, updated_at, business_id, provider, avatar_id, voice_id, provider_config, status, validated_at,
    last_synced_at
) on public.ai_avatar_integrations to authenticated;
-- updated_at because the original frontend sends it; the trigger overwrites it.
grant update (avatar_id, voice_id, provider_config, updated_at) on public.ai_avatar_integrations to authenticated;
grant select, insert, update, delete on public.ai_avatar_integrations to service_role;

alter table public.ai_avatar_integrations enable row level security;
create policy ai_avatar_integrations_select_own on public.ai_avatar_integrations
for select to authenticated using (business_id = (select ai_avatar.own_business_id()));
create policy ai_avatar_integrations_update_own on public.ai_avatar_integrations
for update to authenticated using (business_id = (select ai_avatar.own_business_id()))
with check (business_id = (select ai_avatar.own_business_id()));
-- A table that was taken over may have policies of its own. Permissive policies add up; this one restricts them all.
create policy ai_avatar_integrations_own_only on public.ai_avatar_integrations as restrictive
for all to authenticated using (business_id = (select ai_avatar.own_business_id()));
-- A login that was granted service_role does not inherit its BYPASSRLS.
create policy ai_avatar_integrations_service_role on public.ai_avatar_integrations
for all to service_role using (true) with check (true);
