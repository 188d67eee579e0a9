-- Generations (docs/generation.md). Each step is one function that checks the state it expects. Lock order everywhere:
-- the content item, then the generation; claiming, confirming and extending the deadline lock the generation alone.
-- There is no foreign key to businesses: it deadlocks with deleting a business, which deletes its content items anyway.

set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

create table ai_avatar.generations (
    id uuid primary key,
    business_id uuid not null,
    content_id uuid not null,
    provider text not null,
    script text not null,
    avatar jsonb,
    voice jsonb,
    status text not null default 'dispatching'
    check (status in ('dispatching', 'processing', 'completed', 'failed', 'expired')),
    ended_by text check (ended_by in ('webhook', 'report', 'cancel', 'deadline', 'superseded')),
    webhook_timed_out boolean not null default false,
    previous_heygen_status text,
    previous_heygen_video_id text,
    claimed_at timestamptz,
    claimed_by text,
    create_token uuid,
    create_leased_at timestamptz,
    create_unknown_since timestamptz,
    create_key_hash bytea,
    video_id text,
    video_url text,
    video_url_at timestamptz,
    thumbnail_url text,
    duration_seconds double precision check (duration_seconds >= 0),
    captioned_video_url text,
    subtitle_url text,
    error text,
    error_code text,
    content_error text,
    content_error_at timestamptz,
    idempotency_key text,
    request_hash bytea,
    requested_at timestamptz not null default clock_timestamp(),
    dispatched_at timestamptz,
    completed_at timestamptz,
    ended_at timestamptz,
    deadline timestamptz not null,
    check_token uuid,
    next_check_at timestamptz not null default '-infinity',
    late_checks integer not null default 0
);
comment on table ai_avatar.generations is
'One attempt to make a video of a content item; at most one is live per content item';
comment on column ai_avatar.generations.avatar is
'Id and name of the avatar that speaks: the chosen one at the start, then the one that n8n or the broker was given';
comment on column ai_avatar.generations.voice is 'As avatar; NULL for the avatar''s own voice';
comment on column ai_avatar.generations.ended_by is
'What ended it; a generation ended by the webhook, the deadline or a newer change may still become completed';
comment on column ai_avatar.generations.webhook_timed_out is
'Whether the webhook failed by a timeout (504) or by a refusal (502): a replay of the request answers the same';
comment on column ai_avatar.generations.previous_heygen_status is
'The value to which content.heygen_status is restored; never processing';
comment on column ai_avatar.generations.claimed_by is 'The n8n execution that may continue; NULL when it sent no id';
comment on column ai_avatar.generations.create_token is
'Broker mode: the call that last reserved the right to request the video from the provider';
comment on column ai_avatar.generations.create_leased_at is
'When that call reserved it; NULL once the call has released it';
comment on column ai_avatar.generations.create_unknown_since is
'When the first request was made of which it is not known whether it created a video';
comment on column ai_avatar.generations.create_key_hash is
'SHA-256 of the stored, sealed key that the video was last requested with';
comment on column ai_avatar.generations.error_code is
'The provider''s own code of its last refusal or failure; generation_states shows what ended the generation';
comment on column ai_avatar.generations.ended_at is 'Set by the trigger; a late completion ends it once more';
comment on column ai_avatar.generations.content_error is
'Why the database refused to change the content item, without values; NULL since a change that it accepted';
comment on column ai_avatar.generations.requested_at is
'Set while the content item is locked, so that the latest generation is the one that was started last';
comment on column ai_avatar.generations.deadline is 'When it expires without news, if it is still live';
comment on column ai_avatar.generations.check_token is
'The call that last leased the question to the provider for the video; NULL since news came from elsewhere';
comment on column ai_avatar.generations.next_check_at is
'The service does not ask the provider for the video before this time';
comment on column ai_avatar.generations.late_checks is
'How often the provider was asked since the generation ended; the pauses grow with it';

create unique index generations_live on ai_avatar.generations (content_id)
where status in ('dispatching', 'processing');
create index generations_deadline on ai_avatar.generations (deadline) where status in ('dispatching', 'processing');
create index generations_video_checks on ai_avatar.generations (deadline)
where video_id is not null and (
    status in ('dispatching', 'processing', 'expired') or status = 'failed' and ended_by = 'webhook'
);
create index generations_content_id on ai_avatar.generations (content_id, requested_at desc, id desc);
create unique index generations_idempotency_key on ai_avatar.generations (business_id, idempotency_key)
where idempotency_key is not null;

create view ai_avatar.generation_states as
select
    g.id,
    g.business_id,
    g.content_id,
    g.provider,
    g.status,
    -- An item that has moved to another business since is no longer this business's to see.
    case when c.business_id = g.business_id then c.heygen_status end as heygen_status,
    g.video_id,
    g.video_url,
    g.thumbnail_url,
    g.duration_seconds,
    g.captioned_video_url,
    g.subtitle_url,
    g.error,
    case
        when g.ended_by = 'cancel' then 'cancelled'
        when g.ended_by = 'webhook' then 'webhook_failed'
        when g.status = 'expired' then 'expired'
        when g.status = 'failed' then g.error_code
    end as error_code,
    g.script,
    g.avatar,
    g.voice,
    g.requested_at,
    g.dispatched_at,
    g.completed_at,
    g.ended_at,
    g.ended_by,
    g.webhook_timed_out,
    g.video_url_at,
    -- Only in the call that met it: it is logged and counted once.
    case when g.content_error_at = now() then g.content_error end as new_content_error,
    c.business_id as content_business_id
from ai_avatar.generations as g
join public.content as c on c.id = g.content_id;
comment on view ai_avatar.generation_states is 'A generation with the current status of its content item';

revoke all on table ai_avatar.generations, ai_avatar.generation_states
from public, anon, authenticated, service_role, ai_avatar_service;
grant select on table ai_avatar.generations to service_role;

--! include functions/content.sql
--! include functions/generations.sql
--! include functions/workflows.sql
--! include functions/videos.sql
--! include functions/video_checks.sql

-- Only for what ends, and what is live once more: a trigger that is called for nothing costs a tenth of the update.
create trigger generations_ended_at before insert or update of status on ai_avatar.generations
for each row when (new.status not in ('dispatching', 'processing') or new.ended_at is not null)
execute function ai_avatar.set_ended_at();

-- The strong lock last.
select pg_temp.lock_tables('share row exclusive', 'public.content');
alter table ai_avatar.generations
add foreign key (content_id) references public.content (id) on delete cascade;
