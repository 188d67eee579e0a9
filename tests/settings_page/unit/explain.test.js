// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../../../app/settings_page/static/lib/explain.js";
import { mayRetry, toFailure } from "../../../app/settings_page/static/lib/failure.js";
import { problems } from "../../../app/settings_page/static/lib/strings.js";
import { Text } from "../../../app/settings_page/static/lib/text.js";

/** @param {unknown} error */
const explained = (error) => explain(error, new Text(), "HeyGen");

test("every problem code has a text that says what happened and what to do", () => {
	for (const code of Object.keys(problems)) {
		const { what, todo } = explained({ code, detail: "Its detail." });
		assert.match(what, /^[A-Z].*[^.]$/, code);
		assert.match(todo ?? "", /^[A-Z].*\.$/, code);
		if (code !== "unknown") assert.notEqual(what, problems.unknown.what, code);
	}
});

test("codes with the same remedy share a text", () => {
	for (const code of ["overloaded", "database_unavailable", "rate_limited"]) {
		assert.equal(explained({ code }).what, problems.busy.what);
	}
	assert.match(explained({ code: "provider_unavailable" }).what, /HeyGen/);
});

test("a provider's own words are passed on", () => {
	assert.equal(explained({ code: "provider_rejected", detail: "Not enough credit." }).todo,
		"Not enough credit. Check your HeyGen account.");
});

test("anything else is unknown", () => {
	for (const error of [null, undefined, new Error("x"), { code: "http_500" }, { code: "constructor" }, { code: "toString" }]) {
		assert.equal(explained(error).what, problems.unknown.what);
	}
});

test("a caught value becomes a failure", () => {
	const nothing = { code: "", status: 0, detail: "", errors: [], requestId: "", retryAfter: 0 };
	assert.deepEqual(toFailure(new Error("x")), nothing);
	const failure = { code: "c", status: 409, detail: "d", errors: [{ field: "f" }], requestId: "8f3c", retryAfter: 7 };
	assert.deepEqual(toFailure(failure), failure);
});

test("trying again is offered where it may help", () => {
	assert.deepEqual(["unreachable", "http_500", "overloaded", "webhook_failed"].map((code) => mayRetry({ code })), [true, true, true, true]);
	assert.deepEqual(["no_business", "content_not_found", "webhook_not_configured"].map((code) => mayRetry({ code })), [false, false, false]);
});
