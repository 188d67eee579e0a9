// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Text, formatElapsed } from "../../../app/settings_page/static/lib/text.js";

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
	])) assert.equal(new Text().ago(new Date(now - ago).toISOString(), now), words);
});

test("formats an elapsed time", () => {
	assert.deepEqual([-1000, 0, 65_900, 600_000, 3_723_000].map(formatElapsed), ["0:00", "0:00", "1:05", "10:00", "1:02:03"]);
});

test("fills in values and selects the plural", () => {
	const text = new Text();
	const count = { one: "{n} video of {p}", other: "{n} videos of {p}" };
	assert.equal(text.fill(count, { n: 1, p: "HeyGen" }), "1 video of HeyGen");
	assert.equal(text.fill(count, { n: 1200, p: "HeyGen" }), "1,200 videos of HeyGen");
	assert.equal(text.fill("{reason} Try again.", { reason: "" }), "Try again.");
	assert.equal(text.fill("{toString}", {}), "");
});

test("another language has its own numbers, times and plurals", () => {
	const text = new Text("de");
	assert.equal(text.number(1200.5), "1.200,5");
	assert.equal(text.ago(new Date(0).toISOString(), 2 * HOUR), "vor 2 Stunden");
	assert.equal(new Text("ar").fill({ few: "few", other: "other" }, { n: 3 }), "few");
	assert.equal(new Text("not a language").lang, "en");
});

test("a host's words replace ours, and only what has our shape", () => {
	const ours = { title: "Title", count: { one: "{n} item", other: "{n} items" }, stages: ["Sent", "Ready"], error: { what: "Failed", todo: "Again" } };
	const text = new Text(null, { list: { title: "Titel", count: { other: "{n} Stück" }, stages: ["Gesendet"], error: { what: 7 }, more: "x" } });
	assert.deepEqual(text.section("list", ours), {
		title: "Titel", count: { other: "{n} Stück" }, stages: ["Gesendet", "Ready"], error: { what: "Failed", todo: "Again" },
	});
	assert.equal(text.section("other", ours), ours);
	assert.equal(new Text(null, { other: "nonsense" }).section("other", ours), ours);
});
