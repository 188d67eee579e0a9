// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLive, stateOf } from "../../../app/settings_page/static/videos/generation.js";

/** @typedef {import("../../../app/settings_page/static/lib/types.js").Generation} Generation */

/** @param {Generation["status"]} status @returns {Generation} */
const generation = (status) => ({
	id: "g", content_id: "c", status, heygen_status: null, video_id: null, video_url: null, error: null,
	error_code: null, script: "", provider: "heygen", thumbnail_url: null, duration_seconds: null,
	avatar: null, voice: null,
	requested_at: "2030-01-01T00:00:00Z", completed_at: null,
});

test("a generation is live until it ends", () => {
	assert.deepEqual((/** @type {const} */ (["dispatching", "processing", "completed", "failed", "expired"]))
		.filter((status) => isLive(generation(status))), ["dispatching", "processing"]);
	assert.equal(isLive(null), false);
});

test("processing without a live generation is stuck", () => {
	assert.equal(stateOf({ generation: generation("processing"), heygen_status: "processing" }), "live");
	assert.equal(stateOf({ generation: null, heygen_status: "processing" }), "stuck");
	assert.equal(stateOf({ generation: generation("expired"), heygen_status: "completed" }), "completed");
	assert.equal(stateOf({ generation: null, heygen_status: null }), "none");
});
