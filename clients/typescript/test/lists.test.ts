import assert from "node:assert/strict";
import { test } from "node:test";
import { AiAvatarClient, type AiAvatarError } from "ai-avatar-client";
import { BUSINESS_ID, video } from "./support/examples.ts";
import { json, problem, serve } from "./support/server.ts";

const first = json({ items: [video(1), video(2)], next_cursor: "to page 2" });
const empty = json({ items: [], next_cursor: "to page 3" });
const last = json({ items: [video(3)], next_cursor: null });

test("for await reads all pages, also after an empty one", async (t) => {
	const server = await serve(t, first, empty, last);
	const client = new AiAvatarClient({ baseUrl: server.url });
	const titles: (string | null)[] = [];
	for await (const { content_title } of client.listVideos({ q: "a b", limit: 2 })) titles.push(content_title);
	assert.deepEqual(titles, ["Item 1", "Item 2", "Item 3"]);
	const path = "/integrations/ai-avatar/videos?q=a%20b&limit=2";
	assert.deepEqual(
		server.calls.map((call) => call.url),
		[path, `${path}&cursor=to%20page%202`, `${path}&cursor=to%20page%203`],
	);
});

test("await returns one page, from a cursor on", async (t) => {
	const server = await serve(t, last);
	const page = await new AiAvatarClient({ baseUrl: server.url }).listAvatars(BUSINESS_ID, { cursor: "here" });
	assert.equal(page.items.length, 1);
	assert.equal(page.next_cursor, null);
	assert.match(server.calls[0]?.url ?? "", /avatars\?cursor=here$/);
});

test("a list that was awaited goes on from that page", async (t) => {
	const server = await serve(t, first, last);
	const list = new AiAvatarClient({ baseUrl: server.url }).listVideos();
	assert.equal((await list).items.length, 2);
	const pages = [];
	for await (const page of list.pages()) pages.push(page.items.length);
	assert.deepEqual(pages, [2, 1]);
	assert.equal(server.calls.length, 2);
});

test("nothing is requested before it is needed, and no further page after a break", async (t) => {
	const server = await serve(t, first);
	const list = new AiAvatarClient({ baseUrl: server.url }).listVideos();
	assert.equal(server.calls.length, 0);
	for await (const _ of list) break;
	assert.equal(server.calls.length, 1);
});

test("several content ids are sent as several parameters", async (t) => {
	const server = await serve(t, last);
	await new AiAvatarClient({ baseUrl: server.url }).listVideos({ content_id: [BUSINESS_ID, BUSINESS_ID] });
	assert.match(server.calls[0]?.url ?? "", /content_id=[^&]+&content_id=[^&]+$/);
});

test("an error in a later page ends the loop", async (t) => {
	const server = await serve(t, first, problem(403, "no_business"));
	const seen: unknown[] = [];
	await assert.rejects(
		async () => {
			for await (const item of new AiAvatarClient({ baseUrl: server.url }).listVideos()) seen.push(item);
		},
		(error: AiAvatarError) => error.code === "no_business",
	);
	assert.equal(seen.length, 2);
});

test("an abort ends the loop", async (t) => {
	const server = await serve(t, first);
	const controller = new AbortController();
	const list = new AiAvatarClient({ baseUrl: server.url }).listVideos({ signal: controller.signal });
	await assert.rejects(
		async () => {
			for await (const _ of list) controller.abort();
		},
		{ name: "AbortError" },
	);
	assert.equal(server.calls.length, 1);
});
