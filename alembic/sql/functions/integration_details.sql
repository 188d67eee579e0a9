-- What is shown with an integration beyond the original plan's columns.

create or replace function ai_avatar.keep_integration_details()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        delete from ai_avatar.integration_details as d where d.integration_id = old.id;
    else
        insert into ai_avatar.integration_details (integration_id) values (new.id);
    end if;
    return null;
end;
$$;

create or replace function ai_avatar.record_details(p_integration_id uuid, p_avatar jsonb, p_voice jsonb)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update ai_avatar.integration_details as d
    set avatar = coalesce(p_avatar, d.avatar), voice = coalesce(p_voice, d.voice)
    where d.integration_id = p_integration_id and num_nonnulls(p_avatar, p_voice) > 0;
end;
$$;

revoke all on function
ai_avatar.keep_integration_details,
ai_avatar.record_details
from public, anon, authenticated, service_role, ai_avatar_service;

comment on function ai_avatar.keep_integration_details is 'Creates and deletes the details with their integration';
comment on function ai_avatar.record_details is
'Records what the catalogue says of the chosen avatar and voice; NULL keeps what is there';
