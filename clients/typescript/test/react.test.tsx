// First, because react-dom looks for a document when it is loaded.
import "./support/dom.ts";

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AiAvatarClient } from "ai-avatar-client";
import {
	AiAvatarProvider,
	AiAvatarSettings,
	type UseGeneration,
	type UseIntegration,
	type UseVideos,
	useGeneration,
	useIntegration,
	useVideos,
} from "ai-avatar-client/react";
import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { eventually } from "./support/eventually.ts";
import { BUSINESS_ID, CONTENT_ID, completed, event, generation, integration, video } from "./support/examples.ts";
import { type Answer, json, noContent, problem, type Server, serve, stream } from "./support/server.ts";

function mount(t: TestContext, node: ReactNode) {
	const root = createRoot(document.body.appendChild(document.createElement("div")));
	root.render(node);
	t.after(() => root.unmount());
	return root;
}

/** Render a hook; `current` is what it returned last. */
function mountHook<Result>(t: TestContext, { url }: Server, hook: () => Result): { current: Result } {
	const client = new AiAvatarClient({ baseUrl: url });
	const seen = {} as { current: Result };
	const Probe = () => {
		seen.current = hook();
		return null;
	};
	mount(
		t,
		<AiAvatarProvider client={client}>
			<Probe />
		</AiAvatarProvider>,
	);
	return seen;
}

/** Answer by method and end of the path. */
function route(answers: Record<string, Answer>): Answer {
	return (response, call) => {
		const found = Object.entries(answers).find(([name]) => {
			const [method, end = ""] = name.split(" ");
			return call.method === method && call.url.split("?")[0]?.endsWith(end);
		});
		return (found?.[1] ?? problem(404, "not_found"))(response, call);
	};
}

const page = (...items: unknown[]) => json({ items, next_cursor: null });

test("useIntegration loads, connects, changes and removes", async (t) => {
	const server = await serve(
		t,
		route({
			"GET /integrations/ai-avatar": page(),
			"POST /integrations/ai-avatar": json(integration(), 201),
			[`PATCH /${BUSINESS_ID}`]: json(integration({ avatar_id: "bob" })),
			[`DELETE /${BUSINESS_ID}`]: noContent,
		}),
	);
	const hook = mountHook<UseIntegration>(t, server, () => useIntegration());
	await eventually(() => assert.equal(hook.current.isLoading, true));
	await eventually(() => assert.equal(hook.current.integration, null));
	await assert.rejects(hook.current.update({}), /no integration/);
	await hook.current.connect({ api_key: "secret" });
	await eventually(() => assert.equal(hook.current.integration?.avatar_id, "ada"));
	await hook.current.update({ avatar_id: "bob" });
	await eventually(() => assert.equal(hook.current.integration?.avatar_id, "bob"));
	await hook.current.remove();
	await eventually(() => assert.equal(hook.current.integration, null));
});

test("useIntegration reports why it cannot load, and loads again on refresh", async (t) => {
	const server = await serve(t, problem(403, "no_business"), page(integration()));
	const hook = mountHook<UseIntegration>(t, server, () => useIntegration());
	await eventually(() => assert.equal(hook.current.error?.code, "no_business"));
	hook.current.refresh();
	await eventually(() => assert.equal(hook.current.integration?.status, "active"));
	assert.equal(hook.current.error, null);
});

test("another business's data is never shown", async (t) => {
	const server = await serve(t, page(integration()), () => {});
	const shown: unknown[] = [];
	const Probe = ({ businessId }: { businessId: string }) => {
		const { integration, isLoading } = useIntegration({ businessId });
		shown.push([businessId, integration?.avatar_id, isLoading]);
		return null;
	};
	const client = new AiAvatarClient({ baseUrl: server.url });
	const root = mount(
		t,
		<AiAvatarProvider client={client}>
			<Probe businessId="a" />
		</AiAvatarProvider>,
	);
	await eventually(() => assert.deepEqual(shown.at(-1), ["a", "ada", false]));
	root.render(
		<AiAvatarProvider client={client}>
			<Probe businessId="b" />
		</AiAvatarProvider>,
	);
	await eventually(() => assert.equal(server.calls.length, 2));
	assert.ok(shown.some((state) => String(state) === "b,,true"));
	assert.ok(!shown.some((state) => String(state).startsWith("b,ada")));
});

test("a change that ends after another business was chosen is not shown for it", async (t) => {
	let finish = async () => {};
	const connecting: Answer = (response, call) => {
		finish = async () => json(integration({ avatar_id: "late" }), 201)(response, call);
	};
	const list: Answer = (response, call) =>
		page(integration({ avatar_id: call.url.includes("business_id=a") ? "ada" : "bob" }))(response, call);
	const server = await serve(t, (response, call) => (call.method === "POST" ? connecting : list)(response, call));
	const seen: UseIntegration[] = [];
	const Probe = ({ businessId }: { businessId: string }) => {
		seen.push(useIntegration({ businessId }));
		return null;
	};
	const client = new AiAvatarClient({ baseUrl: server.url });
	const show = (businessId: string) => (
		<AiAvatarProvider client={client}>
			<Probe businessId={businessId} />
		</AiAvatarProvider>
	);
	const root = mount(t, show("a"));
	await eventually(() => assert.equal(seen.at(-1)?.integration?.avatar_id, "ada"));
	const connected = seen.at(-1)?.connect({ api_key: "secret" });
	await eventually(() => assert.equal(server.calls.at(-1)?.method, "POST"));
	root.render(show("b"));
	await eventually(() => assert.equal(seen.at(-1)?.integration?.avatar_id, "bob"));
	await finish();
	assert.equal((await connected)?.avatar_id, "late");
	await new Promise((resolve) => setTimeout(resolve, 50));
	assert.equal(seen.at(-1)?.integration?.avatar_id, "bob");
});

test("useVideos loads page by page", async (t) => {
	const server = await serve(t, json({ items: [video(1)], next_cursor: "next" }), page(video(2)), page(video(3)));
	const hook = mountHook<UseVideos>(t, server, () => useVideos({ q: "Item", limit: 1 }));
	await eventually(() => assert.equal(hook.current.hasMore, true));
	await Promise.all([hook.current.loadMore(), hook.current.loadMore()]);
	await eventually(() =>
		assert.deepEqual(
			hook.current.videos.map((item) => item.content_title),
			["Item 1", "Item 2"],
		),
	);
	assert.equal(hook.current.hasMore, false);
	await hook.current.loadMore();
	assert.equal(server.calls.length, 2);
	assert.match(server.calls[1]?.url ?? "", /limit=1&q=Item&cursor=next$/);
	hook.current.refresh();
	await eventually(() =>
		assert.deepEqual(
			hook.current.videos.map((item) => item.content_title),
			["Item 3"],
		),
	);
});

test("useGeneration follows a live video to its end", async (t) => {
	const server = await serve(
		t,
		route({
			[`GET /videos/${CONTENT_ID}`]: json(generation()),
			"GET /events": stream(
				[event(generation()), event(generation({ video_id: "video-1" })), event(completed)],
				"open",
			),
		}),
	);
	const hook = mountHook<UseGeneration>(t, server, () => useGeneration(CONTENT_ID));
	await eventually(() => assert.equal(hook.current.isLive, true));
	await eventually(() => assert.equal(hook.current.generation?.video_url, completed.video_url));
	assert.equal(hook.current.isLive, false);
});

test("useGeneration starts a video, follows it, and cancels it", async (t) => {
	let state: Answer = problem(404, "generation_not_found");
	const answers = {
		[`GET /videos/${CONTENT_ID}`]: ((response, call) => state(response, call)) satisfies Answer,
		"POST /generate-video": json(generation(), 202),
		"POST /cancel": json(generation({ status: "failed", error_code: "cancelled" })),
		"GET /events": stream([event(generation({ video_id: "video-1" }))], "open"),
	};
	const server = await serve(t, route(answers));
	const hook = mountHook<UseGeneration>(t, server, () => useGeneration(CONTENT_ID));
	await eventually(() => assert.equal(hook.current.generation, null));
	state = json(generation());
	await hook.current.generate("Hello");
	await eventually(() => assert.equal(hook.current.generation?.video_id, "video-1"));
	const started = server.calls.find((call) => call.method === "POST");
	assert.equal(JSON.parse(started?.body ?? "").script, "Hello");
	assert.ok(started?.headers["idempotency-key"]);
	state = json(generation({ status: "failed", error_code: "cancelled" }));
	await hook.current.cancel();
	await eventually(() => assert.equal(hook.current.generation?.error_code, "cancelled"));
});

test("the event stream is closed when the component goes, also in strict mode", async (t) => {
	const server = await serve(
		t,
		route({ [`GET /videos/${CONTENT_ID}`]: json(generation()), "GET /events": stream([event(generation())], "open") }),
	);
	const Probe = () => <p>{useGeneration(CONTENT_ID).generation?.status}</p>;
	const client = new AiAvatarClient({ baseUrl: server.url });
	const root = mount(
		t,
		<StrictMode>
			<AiAvatarProvider client={client}>
				<Probe />
			</AiAvatarProvider>
		</StrictMode>,
	);
	const streams = () => server.calls.filter((call) => call.url.endsWith("/events"));
	await eventually(() => assert.equal(streams().filter((call) => !call.closed.aborted).length, 1));
	root.unmount();
	await eventually(() => assert.ok(streams().every((call) => call.closed.aborted)));
});

test("the settings element gets attributes, properties and listeners, and loses the latter", async (t) => {
	const changes: unknown[] = [];
	const loadErrors: string[] = [];
	const props = {
		serviceUrl: "http://127.0.0.1:1/",
		getAccessToken: () => "token",
		strings: { common: { retry: "Once more" } },
	};
	const render = (name: string) => (
		<AiAvatarSettings
			{...props}
			businessId={BUSINESS_ID}
			view="settings"
			className="wide"
			onChange={(detail) => changes.push([name, detail])}
			onLoadError={(error) => loadErrors.push(error.message)}
			onError={(detail) => changes.push([name, detail])}
		/>
	);
	const root = mount(t, render("first"));
	await eventually(() => assert.ok(document.querySelector("ai-avatar-settings")?.getAccessToken));
	const element = document.querySelector("ai-avatar-settings");
	assert.ok(element);
	assert.equal(element.getAttribute("api-base"), props.serviceUrl);
	assert.equal(element.getAttribute("business-id"), BUSINESS_ID);
	assert.equal(element.getAttribute("view"), "settings");
	assert.equal(element.getAttribute("class"), "wide");
	assert.equal(element.hasAttribute("content-id"), false);
	assert.equal(element.getAccessToken, props.getAccessToken);
	assert.equal(element.strings, props.strings);
	await eventually(() => assert.match(loadErrors.join(), /127.0.0.1:1\/settings\/static\/ai-avatar-settings.js/));

	const emit = (type: string, detail: unknown) => element.dispatchEvent(new CustomEvent(type, { detail }));
	emit("ai-avatar-change", { kind: "integration", integration: null });
	root.render(render("second"));
	await eventually(() => {
		emit("ai-avatar-error", { code: "offline", status: 0, detail: "", requestId: "" });
		assert.equal((changes.at(-1) as [string])[0], "second");
	});
	assert.deepEqual(changes[0], ["first", { kind: "integration", integration: null }]);
	root.unmount();
	await eventually(() => assert.equal(document.querySelector("ai-avatar-settings"), null));
	const count = changes.length;
	emit("ai-avatar-change", {});
	assert.equal(changes.length, count);
});

test("the settings element shows its children, and tries again by itself while its script cannot be loaded", async (t) => {
	const loadErrors: string[] = [];
	const sources: string[] = [];
	const append = document.head.append.bind(document.head);
	t.mock.method(document.head, "append", (script: HTMLScriptElement) => {
		sources.push(script.src);
		append(script);
	});
	const root = mount(
		t,
		<AiAvatarSettings
			serviceUrl="http://127.0.0.1:2"
			getAccessToken={() => "token"}
			onLoadError={(error) => loadErrors.push(error.message)}
		>
			<p>Not available at the moment.</p>
		</AiAvatarSettings>,
	);
	const script = "http://127.0.0.1:2/settings/static/ai-avatar-settings.js";
	await eventually(() => assert.deepEqual(loadErrors, [`${script} cannot be loaded.`]));
	assert.match(document.querySelector("ai-avatar-settings")?.textContent ?? "", /Not available/);
	// After a pause, and at once after an event that makes success likely.
	for (const [index, type] of [null, "online", "focus"].entries()) {
		if (type) window.dispatchEvent(new Event(type));
		await eventually(() => assert.equal(sources[index + 1], `${script}?attempt=${index + 1}`));
		await eventually(() => assert.equal(document.head.querySelector("script"), null));
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	assert.equal(loadErrors.length, 1);
	root.unmount();
	await new Promise((resolve) => setTimeout(resolve, 20));
	window.dispatchEvent(new Event("online"));
	await new Promise((resolve) => setTimeout(resolve, 20));
	assert.equal(sources.length, 4);
});
