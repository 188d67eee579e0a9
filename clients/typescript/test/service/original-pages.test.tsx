// First, because react-dom looks for a document when it is loaded.
import "../support/dom.ts";

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { withLegacyHeygenFields } from "ai-avatar-client/legacy";
import type { ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { ContentPage } from "../fixtures/content-page.tsx";
import { HeygenSettingsForm } from "../fixtures/heygen-settings-form.tsx";
import { connectTo, revalidated } from "../fixtures/settings-actions.ts";
import { readDev } from "../support/dev.ts";
import { eventually } from "../support/eventually.ts";

const dev = readDev();
const client = connectTo(dev);
let root: Root;
const toasts: string[] = [];
const toast = (text: string) => void toasts.push(text);

afterEach(() => root.unmount());

function render(node: ReactNode) {
	root = createRoot(document.body.appendChild(document.createElement("div")));
	root.render(node);
}

/** Type as a user does: React listens to `input`, and compares with the value that it has set itself. */
function type(name: string, value: string) {
	const input = document.querySelector<HTMLInputElement>(`input[name=${name}]`);
	Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), "value")?.set?.call(input, value);
	input?.dispatchEvent(new Event("input", { bubbles: true }));
}

function press(selector: string) {
	const button = document.querySelector<HTMLElement>(selector);
	assert.ok(button);
	button.click();
}

async function loadBusiness() {
	const { items } = await client.listIntegrations();
	return withLegacyHeygenFields({ id: dev.business_id, business_name: "Coral Coast Coffee" }, items);
}

/** Wait for the next toast. An earlier one must not pass for it: the next action would start too soon. */
async function expectToast(text: string) {
	await eventually(() => assert.ok(toasts.length > 0, `Expected the toast: ${text}`));
	assert.deepEqual(toasts.splice(0), [text]);
}

test("the original's form and content page work with the service, from the first key to the removal", async () => {
	const [contentId] = dev.content_ids;
	await client.deleteIntegration(dev.business_id).catch(() => {});
	await client.cancelVideo(contentId).catch(() => {});
	await client.resetVideo(contentId);

	const content = {
		id: contentId,
		business_id: dev.business_id,
		video_script: "Hi there.",
		heygen_status: null,
	};
	render(<ContentPage content={content} toast={toast} />);
	await eventually(() => press("button"));
	await expectToast("HeyGen AI avatar integration not configured. Please set up your HeyGen integration first.");
	root.unmount();

	const empty = await loadBusiness();
	assert.deepEqual([empty.heygen_secret_id, empty.heygen_avatar_id], [null, null]);
	render(<HeygenSettingsForm business={empty} toast={toast} />);
	await eventually(() => assert.ok(document.querySelector("form")));
	press("[type=submit]"); // without a key there is nothing to update, which succeeds
	await expectToast("HeyGen settings updated successfully.");
	assert.deepEqual(revalidated, ["/settings/integrations"]);

	type("heygen_api_key", "not a sandbox key");
	press("[type=submit]");
	await expectToast("HeyGen rejected the API key.");

	type("heygen_api_key", "x".repeat(513));
	press("[type=submit]");
	await expectToast("The API key is too long.");

	type("heygen_api_key", "sandbox-of-the-client");
	type("heygen_avatar_id", "sandbox-ada");
	press("[type=submit]");
	await expectToast("HeyGen settings updated successfully.");
	await eventually(() => assert.ok(document.querySelector("[type=button]")));
	assert.deepEqual(await loadBusiness(), {
		id: dev.business_id,
		business_name: "Coral Coast Coffee",
		heygen_avatar_id: "sandbox-ada",
		heygen_voice_id: null,
		heygen_secret_id: "exists",
	});
	root.unmount();

	render(<ContentPage content={content} toast={toast} />);
	await eventually(() => press("button"));
	await eventually(() => assert.equal(document.querySelector("button")?.textContent, "processing"));
	assert.equal(revalidated.at(-1), `/content/${contentId}`);
	const states: string[] = [];
	for await (const { status } of client.followVideo(contentId)) states.push(status);
	assert.equal(states.at(-1), "completed");
	root.unmount();

	render(<HeygenSettingsForm business={await loadBusiness()} toast={toast} />);
	await eventually(() => press("[type=button]"));
	await expectToast("API key removed.");
	assert.equal((await loadBusiness()).heygen_secret_id, null);
});
