import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AiAvatarClient } from "ai-avatar-client";
import { createLegacyFunctions, type LegacyOptions, withLegacyHeygenFields } from "ai-avatar-client/legacy";
import { z } from "zod";
import { BUSINESS_ID, CONTENT_ID, generation, integration } from "./support/examples.ts";
import { type Answer, hangUp, json, noContent, problem, serve } from "./support/server.ts";

const FORM = { heygen_api_key: "", heygen_avatar_id: "ada", heygen_voice_id: "" };
const WITH_KEY = { ...FORM, heygen_api_key: "secret" };

async function setUp(t: TestContext, answer: Answer, options: Partial<LegacyOptions> = {}) {
	const server = await serve(t, answer);
	const paths: string[] = [];
	const client = new AiAvatarClient({ baseUrl: server.url, getAccessToken: () => "token", retries: 0 });
	const functions = createLegacyFunctions({
		client: () => client,
		revalidatePath: (path) => paths.push(path),
		...options,
	});
	t.mock.method(console, "error", () => {});
	return { server, paths, ...functions };
}

test("updating with a key connects, and revalidates the page", async (t) => {
	const { updateHeygenSettings, server, paths } = await setUp(t, json(integration(), 201));
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, WITH_KEY), { success: true });
	const [call] = server.calls;
	assert.equal(`${call?.method} ${call?.url}`, "POST /integrations/ai-avatar");
	assert.deepEqual(JSON.parse(call?.body ?? ""), {
		business_id: BUSINESS_ID,
		api_key: "secret",
		avatar_id: "ada",
		voice_id: "",
		provider: "heygen",
	});
	assert.deepEqual(paths, ["/settings/integrations"]);
});

test("updating without a key changes only what the form has", async (t) => {
	const { updateHeygenSettings, server } = await setUp(t, json(integration()));
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, { heygen_voice_id: "clara" }), { success: true });
	const [call] = server.calls;
	assert.equal(`${call?.method} ${call?.url}`, `PATCH /integrations/ai-avatar/${BUSINESS_ID}?provider=heygen`);
	assert.deepEqual(JSON.parse(call?.body ?? ""), { voice_id: "clara" });
});

test("removing removes every provider's integration, and revalidates the page", async (t) => {
	const { removeHeygenApiKey, server, paths } = await setUp(t, noContent);
	assert.deepEqual(await removeHeygenApiKey(BUSINESS_ID), { success: true });
	assert.equal(`${server.calls[0]?.method} ${server.calls[0]?.url}`, `DELETE /integrations/ai-avatar/${BUSINESS_ID}`);
	assert.deepEqual(paths, ["/settings/integrations"]);
});

test("updating and removing what is not there succeed", async (t) => {
	const { updateHeygenSettings, removeHeygenApiKey } = await setUp(t, problem(404, "integration_not_found"));
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, FORM), { success: true });
	assert.deepEqual(await removeHeygenApiKey(BUSINESS_ID), { success: true });
});

test("a wrong service URL is not taken for an integration that is not there", async (t) => {
	const { removeHeygenApiKey, paths } = await setUp(t, problem(404, "not_found"));
	assert.deepEqual(await removeHeygenApiKey(BUSINESS_ID), { error: "Database error: not_found." });
	assert.deepEqual(paths, []);
});

test("generating sends the script with a key of its own, and revalidates the content page", async (t) => {
	const { generateHeygenVideo, server, paths } = await setUp(t, json(generation(), 202));
	assert.deepEqual(await generateHeygenVideo(BUSINESS_ID, CONTENT_ID, "Hi"), { success: true });
	assert.deepEqual(JSON.parse(server.calls[0]?.body ?? ""), {
		business_id: BUSINESS_ID,
		content_id: CONTENT_ID,
		script: "Hi",
		provider: "heygen",
	});
	assert.match(String(server.calls[0]?.headers["idempotency-key"]), /^[0-9a-f]{32}$/);
	assert.deepEqual(paths, [`/content/${CONTENT_ID}`]);
});

const NOT_CONFIGURED = "HeyGen AI avatar integration not configured. Please set up your HeyGen integration first.";
const REFUSED = "Failed to trigger video generation: n8n answered 500 Internal Server Error";

for (const [name, answer, error] of [
	["no integration", problem(409, "integration_not_configured", { detail: NOT_CONFIGURED }), NOT_CONFIGURED],
	["an inactive integration", problem(409, "integration_not_active"), NOT_CONFIGURED],
	[
		"no webhook",
		problem(503, "webhook_not_configured", { detail: "Webhook URL is not configured." }),
		"Webhook URL is not configured.",
	],
	["a refusal by n8n", problem(502, "webhook_failed", { detail: REFUSED }), REFUSED],
	["no answer from n8n", problem(504, "webhook_timeout", { detail: REFUSED }), REFUSED],
	[
		"another business's item",
		problem(404, "content_not_found"),
		"Could not start video generation: content_not_found.",
	],
	[
		"a live generation",
		problem(409, "generation_in_progress"),
		"Could not start video generation: generation_in_progress.",
	],
	["no connection", hangUp, "Could not start video generation: The service cannot be reached."],
] as const) {
	test(`generating with ${name} returns its text`, async (t) => {
		const { generateHeygenVideo, paths } = await setUp(t, answer);
		assert.deepEqual(await generateHeygenVideo(BUSINESS_ID, CONTENT_ID, "Hi"), { error });
		assert.deepEqual(paths, []);
	});
}

for (const [name, answer, withKey, withoutKey] of [
	[
		"the database's absence",
		problem(503, "database_unavailable"),
		"Database error: database_unavailable.",
		"Could not update settings: database_unavailable.",
	],
	[
		"a session that has ended",
		problem(403, "no_business"),
		"Database error: no_business.",
		"Could not update settings: no_business.",
	],
	[
		"no connection",
		hangUp,
		"Database error: The service cannot be reached.",
		"Could not update settings: The service cannot be reached.",
	],
	["a rejected key", problem(422, "api_key_rejected"), "api_key_rejected.", "api_key_rejected."],
] as const) {
	test(`updating with ${name} returns its text`, async (t) => {
		const { updateHeygenSettings, paths } = await setUp(t, answer);
		assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, WITH_KEY), { error: withKey });
		assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, FORM), { error: withoutKey });
		assert.deepEqual(paths, []);
	});
}

test("connecting to a business that is not the user's is an error, as the original's function raised", async (t) => {
	const { updateHeygenSettings } = await setUp(t, problem(404, "integration_not_found"));
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, WITH_KEY), {
		error: "Database error: integration_not_found.",
	});
});

test("the service's message about a field is returned with its label", async (t) => {
	const errors = [{ field: "body.avatar_id", message: "`avatar_id` must be at most 255 characters", type: "too_long" }];
	const { updateHeygenSettings } = await setUp(t, problem(422, "invalid_request", { errors }));
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, FORM), {
		error: "Avatar ID must be at most 255 characters",
	});
});

test("the form's own schema decides first, with its messages", async (t) => {
	const formSchema = z.object({
		heygen_api_key: z.string().min(3, "Too short for a key.").or(z.literal("")).optional(),
		heygen_avatar_id: z.string().trim(),
	});
	const { updateHeygenSettings, server } = await setUp(t, json(integration()), { formSchema });
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, { heygen_api_key: "x" }), { error: "Too short for a key." });
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, null as never), { error: "Invalid form data." });
	assert.equal(server.calls.length, 0);
	await updateHeygenSettings(BUSINESS_ID, { heygen_avatar_id: " ada ", heygen_voice_id: "not in the schema" });
	assert.deepEqual(JSON.parse(server.calls[0]?.body ?? ""), { avatar_id: "ada" });
});

test("without a schema, what is no form is refused", async (t) => {
	const { updateHeygenSettings, server } = await setUp(t, json(integration()));
	for (const values of [null, undefined, "text", [], { heygen_voice_id: 7 }]) {
		assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, values as never), { error: "Invalid form data." });
	}
	assert.equal(server.calls.length, 0);
});

test("an exception of the application becomes the original's text", async (t) => {
	const broken = () => {
		throw new Error("no cookies here");
	};
	const { updateHeygenSettings, generateHeygenVideo, removeHeygenApiKey } = await setUp(t, noContent, {
		client: broken,
	});
	assert.deepEqual(await updateHeygenSettings(BUSINESS_ID, FORM), { error: "An unexpected error occurred" });
	assert.deepEqual(await generateHeygenVideo(BUSINESS_ID, CONTENT_ID, "Hi"), {
		error: "An error occurred: no cookies here",
	});
	await assert.rejects(removeHeygenApiKey(BUSINESS_ID), { message: "no cookies here" });
});

test("a business gets the fields of its HeyGen integration", () => {
	const business = { id: BUSINESS_ID, business_name: "Coral Coast Coffee" };
	const tavus = integration({ provider: "tavus", avatar_id: "other" });
	assert.deepEqual(withLegacyHeygenFields(business, [tavus, integration({ avatar_id: "ada", voice_id: "" })]), {
		...business,
		heygen_avatar_id: "ada",
		heygen_voice_id: null,
		heygen_secret_id: "exists",
	});
});

test("a business without an integration is kept", () => {
	const old = { id: BUSINESS_ID, heygen_avatar_id: "stale", heygen_secret_id: "8d2f" };
	for (const integrations of [[], null, undefined]) {
		assert.deepEqual(withLegacyHeygenFields(old, integrations), {
			id: BUSINESS_ID,
			heygen_avatar_id: null,
			heygen_voice_id: null,
			heygen_secret_id: null,
		});
	}
});
