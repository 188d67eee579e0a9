-- What is about to be replaced, for the downgrade.
select pg_temp.save_functions('20261122201100', array(
    select p.oid from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
        and p.proname in (
            'get_ai_avatar_integration', 'get_ai_avatar_secret', 'set_ai_avatar_integration',
            'delete_ai_avatar_integration', 'update_ai_avatar_integrations_updated_at'
        )
));
insert into ai_avatar.saved_definitions (revision, statement)
select '20261122201100', statement
from (
    select 1 as step, format(
        'grant %s on table public.ai_avatar_integrations to %s', acl.privilege_type,
        case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
    ) as statement
    from pg_catalog.pg_class as c, aclexplode(c.relacl) as acl
    where c.oid = to_regclass('public.ai_avatar_integrations')
    union all
    select 2, format(
        'grant %s (%I) on table public.ai_avatar_integrations to %s', acl.privilege_type, a.attname,
        case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
    )
    from pg_catalog.pg_attribute as a, aclexplode(a.attacl) as acl
    where a.attrelid = to_regclass('public.ai_avatar_integrations') and not a.attisdropped
    union all
    select 3, 'alter table public.ai_avatar_integrations disable row level security'
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('public.ai_avatar_integrations') and not c.relrowsecurity
    union all
    select 4, format(
        'alter table public.ai_avatar_integrations drop constraint %1$I, add constraint %1$I %2$s', f.conname,
        pg_get_constraintdef(f.oid)
    )
    from pg_catalog.pg_constraint as f
    where f.conrelid = to_regclass('public.ai_avatar_integrations') and f.contype = 'f'
        and f.confrelid = 'vault.secrets'::regclass and f.confdeltype in ('a', 'r')
) as found
order by step;
