// @ts-check
// The states of a video.

/** @import { ContentItem, Generation, LiveGeneration } from "../lib/types.js" */

/**
 * Whether a generation is in progress.
 * @param {Generation | null | undefined} generation
 * @returns {generation is LiveGeneration}
 */
export function isLive(generation) {
	return generation?.status === "dispatching" || generation?.status === "processing";
}

/**
 * The state that a content item's row shows. `stuck`: it says `processing`, but no video is being made.
 * @param {Pick<ContentItem, "generation" | "heygen_status">} item
 * @returns {"live" | "completed" | "failed" | "stuck" | "none"}
 */
export function stateOf({ generation, heygen_status: status }) {
	if (isLive(generation)) return "live";
	if (status === "processing") return "stuck";
	return status === "completed" || status === "failed" ? status : "none";
}

/** The item with a new state of its video. @param {ContentItem} item @param {Generation} generation @returns {ContentItem} */
export function withGeneration(item, generation) {
	return { ...item, generation, heygen_status: generation.heygen_status, heygen_url: generation.video_url ?? item.heygen_url };
}
