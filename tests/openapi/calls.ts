// A frontend's calls, with the types that openapi-typescript makes with its default options.

import createClient from "openapi-fetch";
import type { components, paths } from "./build/schema.js";

type Schemas = components["schemas"];

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });
const root = "/integrations/ai-avatar";
const business_id = "b0000000-0000-4000-8000-000000000002";
const content_id = "c0000000-0000-4000-8000-000000000022";

export async function connect(): Promise<Schemas["Integration"]> {
	// Fields with defaults are optional in a request …
	const { data } = await client.POST(root, { body: { api_key: "sandbox-key", avatar_id: "sandbox-ada" } });
	if (!data) throw new Error("not connected");
	// … and present in a response.
	const provider: string = data.provider;
	return { ...data, provider };
}

export async function change(): Promise<void> {
	const params = { path: { business_id } };
	await client.GET(`${root}/{business_id}`, { params });
	await client.PATCH(`${root}/{business_id}`, { params, body: { voice_id: null, status: "active" } });
	await client.DELETE(`${root}/{business_id}`, { params });
}

export async function generate(): Promise<string> {
	const { data, error, response } = await client.POST(`${root}/generate-video`, {
		params: { header: { "idempotency-key": "1" } },
		body: { content_id },
	});
	if (data) return data.id;
	// One of the codes that this operation can have, and the members that belong to it.
	switch (error.code) {
		case "generation_in_progress":
			return error.generation_id;
		case "invalid_request":
			return error.errors.map((field) => field.message).join();
		case "integration_not_configured":
			return error.detail;
		// @ts-expect-error: not a code of this operation
		case "generation_closed":
			return "";
		default: {
			const code: Schemas["ProblemCode"] = error.code;
			return `${code}: wait ${response.headers.get("Retry-After")} s`;
		}
	}
}

export function follow(event: Schemas["VideoEvent"]): Schemas["Generation"] | null {
	return event.event === "generation" ? event.data : null;
}

export async function report(): Promise<Schemas["Generation"] | undefined> {
	const { data } = await client.POST("/n8n/{provider}-status", {
		params: { path: { provider: "heygen" } },
		body: { generation_id: "d0000000-0000-4000-8000-000000000026", status: "processing", video_id: "1" },
	});
	return data;
}
