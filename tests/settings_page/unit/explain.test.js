// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, isReportedByBanner, toFailure } from "../../../app/settings_page/static/lib/explain.js";
import { strings } from "../../../app/settings_page/static/lib/strings.js";

const UNKNOWN = strings.problems.unknown;

test("every problem code has a text that says what happened and what to do", () => {
	for (const code of Object.keys(strings.problems)) {
		const { what, todo } = explain({ code, detail: "" }, "HeyGen");
		assert.match(what, /^[A-Z].*[^.]$/, code);
		assert.match(todo ?? "", /^[A-Z].*\.$/, code);
		if (code !== "unknown") assert.notDeepEqual({ what, todo }, UNKNOWN, code);
	}
});

test("codes with the same remedy share a text", () => {
	for (const code of ["overloaded", "database_unavailable", "rate_limited"]) {
		assert.deepEqual(explain({ code }, "HeyGen"), strings.problems.busy);
	}
	assert.match(explain({ code: "provider_unavailable" }, "HeyGen").what, /HeyGen/);
});

test("a provider's own words are passed on", () => {
	assert.equal(explain({ code: "provider_rejected", detail: "Not enough credit." }, "HeyGen").todo,
		"Not enough credit. Check your HeyGen account.");
});

test("anything else is unknown", () => {
	for (const error of [null, undefined, new Error("x"), { code: "http_500" }, { code: "constructor" }, { code: "toString" }]) {
		assert.deepEqual(explain(error, "HeyGen"), UNKNOWN);
	}
});

test("a caught value becomes a failure", () => {
	assert.deepEqual(toFailure(new Error("x")), { code: "", status: 0, detail: "", errors: [] });
	assert.deepEqual(toFailure({ code: "c", status: 409, detail: "d", errors: [{ field: "f" }] }),
		{ code: "c", status: 409, detail: "d", errors: [{ field: "f" }] });
});

test("the banner reports the network and the session", () => {
	assert.deepEqual(["offline", "session_expired", "unreachable"].map((code) => isReportedByBanner({ code })), [true, true, false]);
});
