// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatElapsed, timeAgo } from "../../../app/settings_page/static/lib/clock.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test("says how long ago a moment was", () => {
	const now = Date.UTC(2030, 0, 15, 12);
	for (const [ago, words] of /** @type {[number, string][]} */ ([
		[-HOUR, "now"],
		[0, "now"],
		[59_000, "now"],
		[MINUTE, "1 minute ago"],
		[2 * MINUTE + 10_000, "2 minutes ago"],
		[HOUR, "1 hour ago"],
		[24 * HOUR, "yesterday"],
		[72 * HOUR, "3 days ago"],
	])) assert.equal(timeAgo(new Date(now - ago), now), words);
});

test("formats an elapsed time", () => {
	assert.deepEqual([-1000, 0, 65_900, 600_000, 3_723_000].map(formatElapsed), ["0:00", "0:00", "1:05", "10:00", "1:02:03"]);
});
