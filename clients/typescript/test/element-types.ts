// Compiled by types.test.ts: the element's declarations agree with its JavaScript, and the DOM knows it.
import type { AiAvatarSettingsElement } from "ai-avatar-client/element";
import type { AiAvatarSettings } from "../../../app/settings_page/static/element/element.js";
import type { EventDetails } from "../../../app/settings_page/static/lib/types.js";

declare const actual: AiAvatarSettings;
actual satisfies Omit<AiAvatarSettingsElement, "addEventListener" | "removeEventListener">;

// The element declares the fields that it uses itself; the service sends all of them.
declare const details: {
	[Type in keyof EventDetails]: HTMLElementEventMap[Type] extends CustomEvent<infer Detail> ? Detail : never;
};
details satisfies EventDetails;

const found = document.querySelector("ai-avatar-settings");
if (found) {
	found.businessId = null;
	found.getAccessToken = async ({ reason }) => (reason === "expired" ? null : "token");
	found.addEventListener("ai-avatar-change", ({ detail }) => {
		if (detail.kind === "generation") detail.generation.status satisfies "dispatching" | string;
	});
}

// @ts-expect-error an unknown property
document.createElement("ai-avatar-settings").unknown;
