import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AiAvatarClient, AiAvatarError, type ClientOptions, createIdempotencyKey } from "ai-avatar-client";
import { elementScript } from "ai-avatar-client/element";
import { BUSINESS_ID, CONTENT_ID, generation, integration } from "./support/examples.ts";
import { type Answer, hangUp, json, noContent, problem, serve, silence } from "./support/server.ts";

async function setUp(t: TestContext, answers: Answer[], options: Partial<ClientOptions> = {}) {
	const server = await serve(t, ...answers);
	return { server, client: new AiAvatarClient({ baseUrl: server.url, ...options }) };
}

async function failure(call: PromiseLike<unknown>): Promise<AiAvatarError> {
	try {
		await call;
	} catch (error) {
		assert.ok(error instanceof AiAvatarError, String(error));
		return error;
	}
	throw new assert.AssertionError({ message: "the call has succeeded" });
}

const BUSY = problem(503, "overloaded", {}, { "Retry-After": "0" });
const key = createIdempotencyKey();

test("a problem is thrown with its code, status, request id and extra fields", async (t) => {
	const live = { generation_id: "d0000000-0000-4000-8000-000000000009" };
	const { client } = await setUp(t, [problem(409, "generation_in_progress", live)]);
	const error = await failure(client.generateVideo({ content_id: CONTENT_ID }));
	assert.equal(error.code, "generation_in_progress");
	assert.equal(error.status, 409);
	assert.equal(error.message, "generation_in_progress.");
	assert.equal(error.generationId, live.generation_id);
	assert.equal(error.requestId, "request-1");
});

test("the invalid fields of a request are listed", async (t) => {
	const errors = [{ field: "body.api_key", message: "`api_key` must not be empty", type: "too_short" as const }];
	const { client } = await setUp(t, [problem(422, "invalid_request", { errors })]);
	const error = await failure(client.connectProvider({ api_key: "" }));
	assert.deepEqual(error.fieldErrors, errors);
	assert.equal(error.message, errors[0]?.message);
});

test("a URL that is not set is named", () => {
	const baseUrl = undefined as unknown as string;
	assert.throws(() => new AiAvatarClient({ baseUrl }), /baseUrl is not set/);
	assert.throws(() => elementScript(baseUrl), /serviceUrl is not set/);
});

test("a proxy's error page is an unexpected response", async (t) => {
	const page: Answer = (response) => response.writeHead(502, "Bad Gateway").end("<html>") && undefined;
	const { client } = await setUp(t, [page]);
	const error = await failure(client.getVideo(CONTENT_ID));
	assert.deepEqual([error.code, error.status], ["unexpected_response", 502]);
	assert.match(error.message, /502 Bad Gateway/);
});

test("an error without a body is an unexpected response", async (t) => {
	const { client } = await setUp(t, [
		(response) => response.writeHead(504, { "Content-Length": "0" }).end() && undefined,
	]);
	assert.equal((await failure(client.getVideo(CONTENT_ID))).code, "unexpected_response");
});

test("a success that is not JSON is an unexpected response", async (t) => {
	const { client } = await setUp(t, [(response) => response.writeHead(200).end("<html>") && undefined]);
	assert.equal((await failure(client.getVideo(CONTENT_ID))).code, "unexpected_response");
});

test("204 resolves to undefined", async (t) => {
	const { client, server } = await setUp(t, [noContent]);
	assert.equal(await client.deleteIntegration(BUSINESS_ID, { provider: "heygen" }), undefined);
	assert.equal(server.calls[0]?.url, `/integrations/ai-avatar/${BUSINESS_ID}?provider=heygen`);
});

test("ids are encoded in paths", async (t) => {
	const { client, server } = await setUp(t, [problem(404, "integration_not_found")]);
	await failure(client.getIntegration("../n8n?x"));
	assert.equal(server.calls[0]?.url, "/integrations/ai-avatar/..%2Fn8n%3Fx");
});

test("a read is repeated after a lost connection, an answer that breaks off, and 503", async (t) => {
	const breaksOff: Answer = (response) => {
		response.writeHead(200, { "Content-Length": "100" });
		response.write("{", () => response.socket?.destroy());
	};
	const { client, server } = await setUp(t, [hangUp, breaksOff, BUSY, json(integration())], { retries: 3 });
	assert.equal((await client.getIntegration(BUSINESS_ID)).avatar_id, "ada");
	assert.equal(server.calls.length, 4);
});

test("Retry-After is waited for", async (t) => {
	const { client, server } = await setUp(t, [
		problem(503, "database_unavailable", {}, { "Retry-After": "1" }),
		json(integration()),
	]);
	await client.getIntegration(BUSINESS_ID);
	const [first, second] = server.calls;
	assert.ok(first && second && second.at - first.at >= 1000);
});

test("Retry-After may be a date", async (t) => {
	const date = new Date(Date.now() + 60_000).toUTCString();
	const { client, server } = await setUp(t, [problem(503, "database_unavailable", {}, { "Retry-After": date })]);
	const { retryAfter } = await failure(client.getIntegration(BUSINESS_ID));
	assert.ok(retryAfter !== null && retryAfter > 50 && retryAfter <= 60);
	assert.equal(server.calls.length, 1);
});

test("a longer Retry-After than allowed fails at once and tells how long", async (t) => {
	const { client, server } = await setUp(t, [problem(429, "rate_limited", {}, { "Retry-After": "31" })]);
	assert.equal((await failure(client.validateIntegration(BUSINESS_ID))).retryAfter, 31);
	assert.equal(server.calls.length, 1);
});

test("503 without Retry-After is final", async (t) => {
	const { client, server } = await setUp(t, [problem(503, "webhook_not_configured")]);
	await failure(client.generateVideo({ content_id: CONTENT_ID }, { idempotencyKey: key }));
	assert.equal(server.calls.length, 1);
});

test("repetitions end, with the last error", async (t) => {
	const { client, server } = await setUp(t, [BUSY], { retries: 1 });
	assert.equal((await failure(client.getVideo(CONTENT_ID))).code, "overloaded");
	assert.equal(server.calls.length, 2);
});

test("a change is not repeated when it may have been made", async (t) => {
	for (const answer of [BUSY, hangUp]) {
		const { client, server } = await setUp(t, [answer]);
		await failure(client.generateVideo({ content_id: CONTENT_ID }));
		await failure(client.updateIntegration(BUSINESS_ID, { avatar_id: null }));
		assert.equal(server.calls.length, 2);
	}
});

test("429 is repeated for changes too, because nothing was done", async (t) => {
	const { client, server } = await setUp(t, [
		problem(429, "rate_limited", {}, { "Retry-After": "0" }),
		json(integration()),
	]);
	await client.connectProvider({ api_key: "secret" });
	assert.deepEqual(JSON.parse(server.calls[1]?.body ?? ""), { api_key: "secret" });
});

test("a change with an idempotency key is repeated with the same key and body", async (t) => {
	const { client, server } = await setUp(t, [hangUp, BUSY, json(generation(), 202)]);
	await client.generateVideo({ content_id: CONTENT_ID, script: "Hi" }, { idempotencyKey: key });
	assert.deepEqual(new Set(server.calls.map((call) => call.headers["idempotency-key"])), new Set([key]));
	assert.deepEqual(new Set(server.calls.map((call) => call.body)).size, 1);
	assert.equal(server.calls.length, 3);
});

test("idempotency keys differ", () => {
	assert.notEqual(createIdempotencyKey(), createIdempotencyKey());
});

test("without a connection there is a network error with its cause", async (t) => {
	const { client } = await setUp(t, [hangUp], { retries: 0 });
	const error = await failure(client.getVideo(CONTENT_ID));
	assert.deepEqual([error.code, error.status], ["network_error", 0]);
	assert.ok(error.cause instanceof TypeError);
});

test("an attempt ends after the timeout", async (t) => {
	const { client, server } = await setUp(t, [silence], { timeout: 50, retries: 1 });
	assert.equal((await failure(client.getVideo(CONTENT_ID))).code, "timeout");
	assert.equal(server.calls.length, 2);
});

test("an abort ends a call, a wait and a call that has not begun, with the signal's reason", async (t) => {
	const waits = problem(503, "database_unavailable", {}, { "Retry-After": "20" });
	for (const answer of [silence, waits]) {
		const { client, server } = await setUp(t, [answer]);
		const controller = new AbortController();
		const call = client.getVideo(CONTENT_ID, { signal: controller.signal });
		while (server.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
		setTimeout(() => controller.abort(new Error("left the page")), 20);
		await assert.rejects(call, { message: "left the page" });
		await assert.rejects(client.getVideo(CONTENT_ID, { signal: controller.signal }), { message: "left the page" });
		assert.equal(server.calls.length, 1);
	}
});

test("an abort while a token is requested sends nothing more", async (t) => {
	const controller = new AbortController();
	const { client, server } = await setUp(t, [problem(401, "unauthenticated")], {
		getAccessToken: ({ reason }) => {
			if (reason === "expired") controller.abort(new Error("left the page"));
			return reason;
		},
	});
	await assert.rejects(client.getVideo(CONTENT_ID, { signal: controller.signal }), { message: "left the page" });
	assert.equal(server.calls.length, 1);
});

test("every call asks for the current token", async (t) => {
	const tokens = ["ada", "bob"];
	const { client, server } = await setUp(t, [json(generation())], { getAccessToken: () => tokens.shift() ?? null });
	await client.getVideo(CONTENT_ID);
	await client.getVideo(CONTENT_ID);
	assert.deepEqual(
		server.calls.map((call) => call.headers.authorization),
		["Bearer ada", "Bearer bob"],
	);
});

test("a refused token is renewed once, for all calls together", async (t) => {
	const reasons: string[] = [];
	let current = "old";
	const answer: Answer = (response, call) =>
		(call.headers.authorization === "Bearer new" ? json(generation()) : problem(401, "unauthenticated"))(
			response,
			call,
		);
	const { client, server } = await setUp(t, [answer], {
		getAccessToken: async ({ reason }) => {
			reasons.push(reason);
			if (reason === "expired") {
				await new Promise((resolve) => setTimeout(resolve, 100));
				current = "new";
			}
			return current;
		},
	});
	await Promise.all([1, 2, 3].map(() => client.getVideo(CONTENT_ID)));
	assert.equal(reasons.filter((reason) => reason === "expired").length, 1);
	assert.equal(server.calls.length, 6);
});

test("a body is sent again with the new token", async (t) => {
	const { client, server } = await setUp(t, [problem(401, "unauthenticated"), json(generation(), 202)], {
		getAccessToken: ({ reason }) => reason,
	});
	await client.generateVideo({ content_id: CONTENT_ID });
	assert.deepEqual(JSON.parse(server.calls[1]?.body ?? ""), { content_id: CONTENT_ID });
});

test("a second refusal is final", async (t) => {
	const { client, server } = await setUp(t, [problem(401, "unauthenticated")], {
		getAccessToken: ({ reason }) => reason,
	});
	assert.equal((await failure(client.getVideo(CONTENT_ID))).code, "unauthenticated");
	assert.equal(server.calls.length, 2);
});

test("without a token nothing is sent, and the refused token is not sent again", async (t) => {
	const signedOut = await setUp(t, [json(generation())], { getAccessToken: () => null });
	assert.equal((await failure(signedOut.client.getVideo(CONTENT_ID))).code, "not_signed_in");
	assert.equal(signedOut.server.calls.length, 0);

	const expired = await setUp(t, [problem(401, "unauthenticated")], { getAccessToken: () => "always the same" });
	assert.equal((await failure(expired.client.getVideo(CONTENT_ID))).code, "not_signed_in");
	assert.equal(expired.server.calls.length, 1);
});

test("a back end sends its key", async (t) => {
	const { client, server } = await setUp(t, [json(generation())], { apiKey: "service-key" });
	await client.getVideo(CONTENT_ID);
	assert.equal(server.calls[0]?.headers["x-api-key"], "service-key");
	assert.equal(server.calls[0]?.headers.authorization, undefined);
});

test("operations without a method are called by their path, with the same credentials", async (t) => {
	const { client, server } = await setUp(t, [problem(410, "generation_closed")], { apiKey: "n8n-key" });
	const { error, response } = await client.raw.POST("/n8n/{provider}-status", {
		params: { path: { provider: "heygen" } },
		body: { generation_id: "d0000000-0000-4000-8000-000000000001", status: "failed", error: "no" },
	});
	assert.deepEqual([response.status, error?.code], [410, "generation_closed"]);
	assert.equal(server.calls[0]?.headers["x-api-key"], "n8n-key");
});

test("a call needs nothing that older browsers and edge runtimes lack", async (t) => {
	const { any, timeout } = AbortSignal;
	t.after(() => Object.assign(AbortSignal, { any, timeout }));
	Object.assign(AbortSignal, { any: undefined, timeout: undefined });
	const { client } = await setUp(t, [json(generation())]);
	assert.equal((await client.getVideo(CONTENT_ID)).status, "processing");
});
