import assert from "node:assert/strict";
import { test } from "node:test";
import { AiAvatarClient } from "ai-avatar-client";
import { AiAvatarProvider, AiAvatarSettings, useGeneration, useIntegration, useVideos } from "ai-avatar-client/react";
import { renderToString } from "react-dom/server";
import { CONTENT_ID } from "./support/examples.ts";
import { json, serve } from "./support/server.ts";

test("a server renders the element's tag and the hooks' initial states, and requests nothing", async (t) => {
	assert.equal("document" in globalThis, false);
	const server = await serve(t, json({ items: [], next_cursor: null }));
	const Page = () => {
		const states = [useIntegration(), useVideos(), useGeneration(CONTENT_ID)];
		return <p>{states.filter((state) => state.isLoading).length}</p>;
	};
	const html = renderToString(
		<AiAvatarProvider client={new AiAvatarClient({ baseUrl: server.url })}>
			<Page />
			<AiAvatarSettings serviceUrl={server.url} getAccessToken={() => "a secret token"} view="videos">
				Loading…
			</AiAvatarSettings>
		</AiAvatarProvider>,
	);
	assert.equal(
		html,
		`<p>3</p><ai-avatar-settings api-base="${server.url}" view="videos">Loading…</ai-avatar-settings>`,
	);
	assert.equal(server.calls.length, 0);
});

test("a hook without a provider says what is missing", () => {
	const Page = () => <p>{useVideos().videos.length}</p>;
	assert.throws(() => renderToString(<Page />), /AiAvatarProvider is missing/);
});

test("a missing service URL fails the build of a page that shows the element", () => {
	const serviceUrl = process.env.A_URL_THAT_IS_NOT_SET as string;
	const page = <AiAvatarSettings serviceUrl={serviceUrl} getAccessToken={() => null} />;
	assert.throws(() => renderToString(page), /serviceUrl is not set/);
});
