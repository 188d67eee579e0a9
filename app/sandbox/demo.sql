-- Demo data: a business, one of its users and three content items. Safe to run again.

insert into public.businesses (id, business_name)
values ('b0000000-0000-4000-8000-000000000001', 'Coral Coast Coffee')
on conflict (id) do nothing;

insert into public.profiles (id, business_id, first_name, last_name)
values ('a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Demo', 'User')
on conflict (id) do nothing;

insert into public.content (id, business_id, content_title, video_script, status)
values
(
    'c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
    'Welcome to Coral Coast Coffee',
    'Hi, and welcome to Coral Coast Coffee. We roast every Tuesday, and we would love to make you a cup.', 'draft'
),
(
    'c0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001',
    'Three ways to brew better at home',
    'Fresh beans, hot water, and a little patience. Here are three ways to brew better coffee at home.', 'draft'
),
(
    'c0000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000001',
    'Our new winter blend',
    'Dark chocolate, toasted hazelnut and a hint of orange: our winter blend is here.', 'draft'
)
on conflict (id) do nothing;

-- The service's login. It has only the privileges that the migrations granted to ai_avatar_service.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'ai_avatar_dev') then
        create role ai_avatar_dev login inherit in role ai_avatar_service;
        alter role ai_avatar_dev set statement_timeout = '15s';
    end if;
end;
$$;
