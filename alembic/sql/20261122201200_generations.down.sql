set local lock_timeout = '2s';
set local search_path = pg_catalog, pg_temp;

--! include shared/lock_tables.sql

select pg_temp.lock_tables('access exclusive', 'public.content', 'ai_avatar.generations');

drop function ai_avatar.list_generations;
drop function ai_avatar.lease_video_checks;
drop function ai_avatar.end_video_checks;
drop function ai_avatar.list_videos;
drop function ai_avatar.reset_content;
drop function ai_avatar.get_latest_generations;
drop function ai_avatar.get_latest_generation;
drop function ai_avatar.refresh_video_url;
drop function ai_avatar.expire_generations;
drop function ai_avatar.list_overdue_generations;
drop function ai_avatar.may_expire;
drop function ai_avatar.cancel_generation;
drop function ai_avatar.report_generation;
drop function ai_avatar.move_late_generation;
drop function ai_avatar.move_live_generation;
drop function ai_avatar.reserve_create;
drop function ai_avatar.release_create;
drop function ai_avatar.claim_credentials;
drop function ai_avatar.check_claim;
drop function ai_avatar.roll_back_dispatch;
drop function ai_avatar.confirm_dispatch;
drop function ai_avatar.next_deadline;
drop function ai_avatar.find_replay;
drop function ai_avatar.start_generation;
drop function ai_avatar.supersede_generation;
drop function ai_avatar.restore_content;
drop function ai_avatar.owns_content;
drop function ai_avatar.update_content;
drop function ai_avatar.write_content;
drop function ai_avatar.strip_values;
drop function ai_avatar.count_live_generations;
drop function ai_avatar.get_generation;
drop view ai_avatar.generation_states;
drop table ai_avatar.generations;
drop function ai_avatar.set_ended_at;
