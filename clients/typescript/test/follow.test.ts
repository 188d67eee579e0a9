import assert from "node:assert/strict";
import { test } from "node:test";
import { AiAvatarClient, type AiAvatarError, type Generation, type GetAccessToken } from "ai-avatar-client";
import { CONTENT_ID, completed, event, generation } from "./support/examples.ts";
import { type Answer, hangUp, problem, type Server, serve, stream } from "./support/server.ts";

const processing = generation();
const withVideoId = generation({ video_id: "video-1" });

function follow({ url }: Server, signal?: AbortSignal, getAccessToken?: GetAccessToken) {
	const client = new AiAvatarClient({ baseUrl: url, ...(getAccessToken && { getAccessToken }) });
	return client.followVideo(CONTENT_ID, signal ? { signal } : {});
}

async function collect(generations: AsyncIterable<Generation>): Promise<string[]> {
	const seen: string[] = [];
	for await (const { status, video_id } of generations) seen.push(video_id ?? status);
	return seen;
}

test("each state is yielded until the final one, which ends the loop", async (t) => {
	const server = await serve(t, stream([event(processing), event(withVideoId), event(completed)], "open"));
	assert.deepEqual(await collect(follow(server)), ["processing", "video-1", "completed"]);
	assert.equal(server.calls[0]?.headers.accept, "text/event-stream");
});

test("the stream's pieces may end anywhere", async (t) => {
	const umlaut = generation({ status: "failed", error: "Zoë’s café" });
	const bytes = new TextEncoder().encode(`: comment\r\n\r\n${event(umlaut).replaceAll("\n", "\r\n")}`);
	const pieces: Uint8Array[] = [];
	for (let start = 0; start < bytes.length; start += 3) pieces.push(bytes.subarray(start, start + 3));
	const server = await serve(t, stream(pieces, "open"));
	const { value } = await follow(server).next();
	assert.equal(value?.error, "Zoë’s café");
});

test("data may have several lines, and other events are ignored", async (t) => {
	const text = JSON.stringify(completed, null, 1).replaceAll("\n", "\ndata: ");
	const server = await serve(
		t,
		stream([`event: news\ndata: {}\n\nid: 7\nevent: generation\ndata: ${text}\n\n`], "open"),
	);
	assert.deepEqual(await collect(follow(server)), ["completed"]);
});

test("a lost connection is made again, and the same state is not yielded twice", async (t) => {
	const server = await serve(
		t,
		stream([event(processing)], "break"),
		hangUp,
		problem(503, "overloaded", {}, { "Retry-After": "0" }),
		stream([event(processing), event(completed)], "open"),
	);
	assert.deepEqual(await collect(follow(server)), ["processing", "completed"]);
	assert.equal(server.calls.length, 4);
});

test("the pause that the service asks for is kept", async (t) => {
	const server = await serve(t, stream([event(processing), "retry: 400\n\n"]), stream([event(completed)], "open"));
	await collect(follow(server));
	const [first, second] = server.calls;
	assert.ok(first && second && second.at - first.at >= 400);
});

test("an expired token is replaced, and the stream goes on", async (t) => {
	const reasons: string[] = [];
	const server = await serve(
		t,
		stream([event(processing), "event: expired_token\ndata: {}\n\n"]),
		stream([event(completed)], "open"),
	);
	const token: GetAccessToken = ({ reason }) => {
		reasons.push(reason);
		return `token-${reason}`;
	};
	assert.deepEqual(await collect(follow(server, undefined, token)), ["processing", "completed"]);
	assert.deepEqual(reasons, ["initial", "expired"]);
	assert.equal(server.calls[1]?.headers.authorization, "Bearer token-expired");
});

test("an expired token without another one ends the loop", async (t) => {
	const server = await serve(t, stream([event(processing), "event: expired_token\ndata: {}\n\n"]));
	await assert.rejects(
		collect(follow(server, undefined, () => "the only one")),
		(error: AiAvatarError) => error.code === "not_signed_in",
	);
});

test("the loss of access ends the loop", async (t) => {
	const server = await serve(t, stream([event(processing), "event: access_ended\ndata: {}\n\n"]));
	await assert.rejects(collect(follow(server)), (error: AiAvatarError) => error.code === "access_ended");
	assert.equal(server.calls.length, 1);
});

test("a refusal ends the loop", async (t) => {
	const server = await serve(t, problem(404, "generation_not_found"));
	await assert.rejects(collect(follow(server)), (error: AiAvatarError) => error.code === "generation_not_found");
	assert.equal(server.calls.length, 1);
});

test("something else than JSON ends the loop", async (t) => {
	const server = await serve(t, stream(["event: generation\ndata: <html>\n\n"]));
	await assert.rejects(collect(follow(server)), (error: AiAvatarError) => error.code === "unexpected_response");
});

for (const leave of ["break", "abort", "abort while nothing comes"]) {
	test(`the connection is closed on ${leave}`, async (t) => {
		const server = await serve(t, stream([event(processing)], "open"));
		const controller = new AbortController();
		const run = async () => {
			for await (const _ of follow(server, controller.signal)) {
				if (leave === "break") break;
				if (leave === "abort") controller.abort();
				else setTimeout(() => controller.abort(), 50);
			}
		};
		if (leave === "break") await run();
		else await assert.rejects(run(), { name: "AbortError" });
		const closed = server.calls[0]?.closed;
		if (!closed?.aborted) await new Promise((resolve) => closed?.addEventListener("abort", resolve));
		assert.equal(server.calls.length, 1);
	});
}

test("an abort ends the pause before the next connection", async (t) => {
	const server = await serve(t, stream([event(processing), "retry: 20000\n\n"]));
	const controller = new AbortController();
	const loop = collect(follow(server, controller.signal));
	setTimeout(() => controller.abort(), 100);
	await assert.rejects(loop, { name: "AbortError" });
});

test("a stream's request has the token of a renewed session after 401", async (t) => {
	const refuse: Answer = problem(401, "unauthenticated");
	const server = await serve(t, refuse, stream([event(completed)], "open"));
	assert.deepEqual(await collect(follow(server, undefined, ({ reason }) => reason)), ["completed"]);
	assert.equal(server.calls[1]?.headers.authorization, "Bearer expired");
});
