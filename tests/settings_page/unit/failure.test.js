// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, secondsUntil } from "../../../app/settings_page/static/lib/failure.js";

test("Retry-After is a number of seconds or a date", () => {
	const now = Date.UTC(2030, 0, 1);
	for (const [header, seconds] of /** @type {[string | null, number][]} */ ([
		[null, 0],
		["", 0],
		["0", 0],
		["7", 7],
		["100000", 3600],
		["Tue, 01 Jan 2030 00:00:12 GMT", 12],
		["Mon, 31 Dec 2029 23:59:00 GMT", 0],
		["soon", 0],
	])) assert.equal(secondsUntil(header, now), seconds, String(header));
});

test("an error has the request's id, for support", () => {
	const error = new ApiError("overloaded", { status: 503 }, new Headers({ "X-Request-ID": "8f3c", "Retry-After": "2" }));
	assert.deepEqual([error.requestId, error.retryAfter, error.status], ["8f3c", 2, 503]);
	assert.equal(new ApiError("unreachable").requestId, "");
});
