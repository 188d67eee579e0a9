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
 * The state that a content item's row shows. A `processing` without a live generation counts as none.
 * @param {Pick<ContentItem, "generation" | "heygen_status">} item
 */
export function stateOf({ generation, heygen_status: status }) {
	if (isLive(generation)) return "live";
	return status === "completed" || status === "failed" ? status : "none";
}
