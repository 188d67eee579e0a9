// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamParser, readMessages } from "../../../app/settings_page/static/lib/event-stream.js";

/** @param {string[]} pieces @param {boolean} [close] */
function bodyOf(pieces, close = true) {
	const encoder = new TextEncoder();
	return new ReadableStream({
		start(controller) {
			for (const piece of pieces) controller.enqueue(encoder.encode(piece));
			if (close) controller.close();
		},
	});
}

/** @param {ReadableStream<Uint8Array>} body @param {number} [timeout] */
async function read(body, timeout = 1000) {
	const messages = [];
	for await (const message of readMessages(body, { timeout })) messages.push(message);
	return messages;
}

test("parses events, data and several lines of data", () => {
	const parser = new EventStreamParser();
	assert.deepEqual(parser.push("event: generation\ndata: {}\n\ndata: a\ndata:b\n\n"), [
		{ event: "generation", data: "{}" },
		{ event: "message", data: "a\nb" },
	]);
});

test("ignores comments, ids and retries", () => {
	const parser = new EventStreamParser();
	assert.deepEqual(parser.push(": hello\n\nid: 7\nretry: 1000\n\nid: 8\ndata: a\n\n"), [{ event: "message", data: "a" }]);
});

test("keeps an event without data", () => {
	assert.deepEqual(new EventStreamParser().push("event: expired_token\n\n"), [{ event: "expired_token", data: "" }]);
});

test("gives the same messages wherever the stream is cut", () => {
	const text = ": hi\r\n\r\nevent: generation\r\ndata: {\"a\": 1}\r\n\r\nevent: generation\ndata: {}\n\n";
	const whole = new EventStreamParser().push(text);
	assert.equal(whole.length, 2);
	for (let cut = 0; cut <= text.length; cut += 1) {
		const parser = new EventStreamParser();
		assert.deepEqual([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))], whole);
	}
});

test("drops a message that the stream does not complete", async () => {
	assert.deepEqual(await read(bodyOf(["data: a\n\n", "data: b\n"])), [{ event: "message", data: "a" }]);
});

test("joins characters that are cut between two chunks", async () => {
	const bytes = new TextEncoder().encode("data: ü\n\n");
	const body = new ReadableStream({
		start(controller) {
			for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
			controller.close();
		},
	});
	assert.deepEqual(await read(body), [{ event: "message", data: "ü" }]);
});

test("fails after a silence", async () => {
	await assert.rejects(read(bodyOf(["data: a\n\n"], false), 20), /no data for 20 ms/);
});

test("cancels the stream when its reader stops", async () => {
	let cancelled = false;
	const body = new ReadableStream({
		start(controller) { controller.enqueue(new TextEncoder().encode("data: a\n\n")); },
		cancel() { cancelled = true; },
	});
	for await (const message of readMessages(body, { timeout: 1000 })) {
		assert.equal(message.data, "a");
		break;
	}
	assert.ok(cancelled);
});
