import type { Generation, Integration, Video } from "ai-avatar-client";

export const BUSINESS_ID = "b0000000-0000-4000-8000-000000000001";
export const CONTENT_ID = "c0000000-0000-4000-8000-000000000001";

export function integration(changes: Partial<Integration> = {}): Integration {
	return {
		id: "e0000000-0000-4000-8000-000000000001",
		business_id: BUSINESS_ID,
		provider: "heygen",
		avatar_id: "ada",
		voice_id: null,
		provider_config: {},
		status: "active",
		has_api_key: true,
		validated_at: null,
		last_synced_at: null,
		created_at: "2026-11-22T10:00:00Z",
		updated_at: "2026-11-22T10:00:00Z",
		api_key_last4: null,
		api_key_set_at: null,
		avatar: null,
		voice: null,
		...changes,
	};
}

export function generation(changes: Partial<Generation> = {}): Generation {
	return {
		id: "d0000000-0000-4000-8000-000000000001",
		business_id: BUSINESS_ID,
		content_id: CONTENT_ID,
		provider: "heygen",
		status: "processing",
		heygen_status: "processing",
		video_id: null,
		video_url: null,
		thumbnail_url: null,
		duration_seconds: null,
		captioned_video_url: null,
		subtitle_url: null,
		error: null,
		error_code: null,
		script: "Hi",
		avatar: { id: "sandbox-ada", name: "Ada" },
		voice: null,
		requested_at: "2026-11-22T10:00:00Z",
		dispatched_at: null,
		completed_at: null,
		ended_at: null,
		...changes,
	};
}

export const completed = generation({ status: "completed", video_url: "https://files.example.com/1.mp4" });

export function video(number: number): Video {
	return {
		content_id: `c0000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
		content_title: `Item ${number}`,
		video_script: null,
		heygen_status: null,
		heygen_url: null,
		created_at: "2026-11-22T10:00:00Z",
		generation: null,
	};
}

/** One event of a generation's event stream. */
export function event(data: Generation): string {
	return `event: generation\ndata: ${JSON.stringify(data)}\n\n`;
}
