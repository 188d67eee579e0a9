// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Session, SessionExpired, TokenEvent } from "../../../app/settings_page/static/lib/session.js";

/** @param {string} user @param {number} [number] tells two tokens of one user apart */
const tokenOf = (user, number = 0) => `header.${btoa(JSON.stringify({ sub: user, number }))}.signature`;

test("requests a token from the host once and keeps it", async () => {
	/** @type {string[]} */
	const reasons = [];
	const session = new Session(async (reason) => {
		reasons.push(reason);
		return "a";
	});
	assert.deepEqual(await Promise.all([session.token(), session.token()]), ["a", "a"]);
	assert.equal(await session.token(), "a");
	assert.deepEqual(reasons, ["initial"]);
});

test("waits for a host that attaches its listener late", async () => {
	let requests = 0;
	const session = new Session(async () => (requests++ === 0 ? null : "a"));
	assert.equal(await session.token(), "a");
	assert.equal(requests, 2);
});

test("takes a token that the host sets while it is being waited for", async () => {
	const session = new Session(async () => null);
	const token = session.token();
	session.set("a");
	assert.equal(await token, "a");
});

test("renews a refused token, and shares the request", async () => {
	/** @type {string[]} */
	const reasons = [];
	const session = new Session(async (reason) => {
		reasons.push(reason);
		return "b";
	});
	session.set("a");
	assert.deepEqual(await Promise.all([session.renew("a"), session.renew("a")]), ["b", "b"]);
	assert.equal(await session.renew("a"), "b");
	assert.deepEqual(reasons, ["expired"]);
});

test("expires when the host returns the refused token", async () => {
	const session = new Session(async () => "a");
	let expired = 0;
	session.addEventListener("expired", () => { expired += 1; });
	session.set("a");
	await assert.rejects(session.renew("a"), SessionExpired);
	assert.equal(expired, 1);
});

test("tells another user's token from a renewed one", () => {
	/** @type {boolean[]} */
	const seen = [];
	const session = new Session(async () => null);
	session.addEventListener("token", (event) => {
		assert.ok(event instanceof TokenEvent);
		seen.push(event.otherUser);
	});
	session.set(tokenOf("ann", 1));
	session.set(tokenOf("ann", 1));
	session.set(tokenOf("ann", 2));
	session.set(tokenOf("bob"));
	session.set("opaque");
	session.set("");
	assert.deepEqual(seen, [false, false, true, true]);
});

test("next() resolves with the next token or when the signal aborts", async () => {
	const session = new Session(async () => null);
	const controller = new AbortController();
	const byToken = session.next(new AbortController().signal);
	session.set("a");
	await byToken;
	const byAbort = session.next(controller.signal);
	controller.abort();
	await byAbort;
});

test("again() asks the host at once and says whether there is a session", async () => {
	/** @type {string | null} */
	let token = "old";
	const session = new Session(async () => token);
	session.set("old");
	assert.equal(await session.again(), false, "the host has the refused token only");
	token = "new";
	assert.equal(await session.again(), true);
	assert.equal(await session.token(), "new");
});
