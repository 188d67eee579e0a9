import assert from "node:assert/strict";
import { before, test } from "node:test";
import { AiAvatarClient, type AiAvatarError, createIdempotencyKey } from "ai-avatar-client";
import { readDev } from "../support/dev.ts";

const dev = readDev();
const user = new AiAvatarClient({ baseUrl: dev.url, getAccessToken: () => dev.user_token });

before(async () => {
	await user.connectProvider({ api_key: "sandbox-of-the-client", avatar_id: "sandbox-ada" });
});

function hasCode(code: string) {
	return (error: AiAvatarError) => error.code === code;
}

test("an integration is read, changed and validated", async () => {
	const { business_id } = dev;
	const [own] = (await user.listIntegrations({ provider: "heygen" })).items;
	assert.deepEqual(own, await user.getIntegration(business_id));
	assert.equal((await user.updateIntegration(business_id, { voice_id: "sandbox-clara" })).voice_id, "sandbox-clara");
	assert.equal((await user.updateIntegration(business_id, { voice_id: null })).voice_id, null);
	assert.equal((await user.updateIntegration(business_id, {})).avatar_id, "sandbox-ada");
	assert.equal((await user.validateIntegration(business_id)).status, "active");
	assert.ok((await user.getAccount(business_id)).label);
});

test("a rejected key, and an unknown field, are problems with their codes", async () => {
	await assert.rejects(user.connectProvider({ api_key: "not a sandbox key" }), hasCode("api_key_rejected"));
	await assert.rejects(
		user.connectProvider({ api_key: "sandbox-x", avatar: "ada" } as never),
		(error: AiAvatarError) => error.code === "invalid_request" && error.fieldErrors[0]?.field === "body.avatar",
	);
	await assert.rejects(user.getIntegration(dev.content_ids[0]), hasCode("integration_not_found"));
});

test("the catalogue and the content items are read page by page", async () => {
	const names: string[] = [];
	for await (const { name } of user.listAvatars(dev.business_id, { limit: 3 })) names.push(name);
	assert.ok(names.length > 3);
	assert.equal(new Set(names).size, names.length);
	for await (const voice of user.listVoices(dev.business_id, { ownership: "private" })) {
		assert.equal(voice.ownership, "private");
	}
	const ids: string[] = [];
	for await (const { content_id } of user.listVideos({ limit: 1 })) ids.push(content_id);
	assert.deepEqual(ids.sort(), [...dev.content_ids].sort());
});

test("a video is started once, followed to its end, and listed", async () => {
	const content_id = dev.content_ids[1];
	const idempotencyKey = createIdempotencyKey();
	const started = await user.generateVideo({ content_id }, { idempotencyKey });
	assert.equal((await user.generateVideo({ content_id }, { idempotencyKey })).id, started.id);
	await assert.rejects(
		user.generateVideo({ content_id }),
		(error: AiAvatarError) => error.code === "generation_in_progress" && error.generationId === started.id,
	);
	let last = started;
	for await (last of user.followVideo(content_id));
	assert.equal(last.status, "completed");
	assert.match(last.video_url ?? "", /^http/);
	assert.equal((await user.getVideo(content_id)).id, started.id);
	assert.deepEqual((await user.listGenerations(content_id, { limit: 1 })).items[0]?.id, started.id);
});

test("a video is cancelled, and its item reset", async () => {
	const content_id = dev.content_ids[2];
	await user.generateVideo({ content_id, script: "Hello." });
	assert.equal((await user.cancelVideo(content_id)).error_code, "cancelled");
	await assert.rejects(user.cancelVideo(content_id), hasCode("generation_not_live"));
	assert.equal((await user.resetVideo(content_id)).heygen_status, null);
});

test("a back end acts for any business", async () => {
	const backEnd = new AiAvatarClient({ baseUrl: dev.url, getAccessToken: () => dev.service_token });
	const { items } = await backEnd.listVideos({ business_id: dev.business_id });
	assert.equal(items.length, 3);
});

test("without a valid token there is no access", async () => {
	const anonymous = new AiAvatarClient({ baseUrl: dev.url });
	await assert.rejects(Promise.resolve(anonymous.listVideos()), hasCode("unauthenticated"));
	assert.equal((await anonymous.raw.GET("/health/live")).response.status, 200);
});
