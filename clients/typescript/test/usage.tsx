// Compiled with the tests, never run: what must and what must not compile.
import { AiAvatarClient, AiAvatarError, type ErrorCode } from "ai-avatar-client";
import { createLegacyFunctions } from "ai-avatar-client/legacy";
import { AiAvatarSettings } from "ai-avatar-client/react";
import type { ReactNode } from "react";

const client = new AiAvatarClient({ baseUrl: "" });
client.generateVideo({ content_id: "…" }); // a field with a default may be left out
client.connectProvider({ api_key: "…" });

// @ts-expect-error a required field
client.generateVideo({ script: "…" });
// @ts-expect-error an unknown parameter
client.listVideos({ order: "title" });
// @ts-expect-error an unknown provider
client.connectProvider({ api_key: "…", provider: "unknown" });
// @ts-expect-error an unknown path
client.raw.GET("/unknown");

export function explain(error: unknown): ErrorCode | null {
	return error instanceof AiAvatarError ? error.code : null;
}

export function refusal(error: AiAvatarError): string {
	if (error.problem?.code === "provider_rejected") return error.problem.provider_message;
	// @ts-expect-error not a code
	if (error.code === "unknown") return "";
	return error.message;
}

export async function original(): Promise<string> {
	const { updateHeygenSettings } = createLegacyFunctions({ client });
	const result = await updateHeygenSettings("…", {});
	if (result.error) return result.error;
	if ("error" in result) return result.error ?? "";
	result.success satisfies true;
	// @ts-expect-error two arguments, as the original
	await updateHeygenSettings("…");
	return "";
}

export const elements: ReactNode[] = [
	<ai-avatar-settings key="1" api-base="https://…" business-id="…" view="videos" class="wide" />,
	<AiAvatarSettings key="2" serviceUrl="…" getAccessToken={() => null} onChange={({ kind }) => kind} />,
	<AiAvatarSettings key="5" serviceUrl="…" getAccessToken={() => null} strings={{ settings: { title: "…" } }} />,
	// @ts-expect-error an unknown section of words
	<AiAvatarSettings key="6" serviceUrl="…" getAccessToken={() => null} strings={{ setings: { title: "…" } }} />,
	// @ts-expect-error an unknown view
	<ai-avatar-settings key="3" view="everything" />,
	// @ts-expect-error no token
	<AiAvatarSettings key="4" serviceUrl="…" />,
];
