// Compiled by types.test.ts: the element's declarations agree with its JavaScript, and the DOM knows it.
import type { AiAvatarSettingsElement, AiAvatarStrings, StringsSection } from "ai-avatar-client/element";
import type { AiAvatarSettings } from "../../../app/settings_page/static/element/element.js";
import type * as lib from "../../../app/settings_page/static/lib/strings.js";
import type { EventDetails } from "../../../app/settings_page/static/lib/types.js";
import type * as settings from "../../../app/settings_page/static/settings/strings.js";
import type * as videos from "../../../app/settings_page/static/videos/strings.js";

declare const actual: AiAvatarSettings;
actual satisfies Omit<AiAvatarSettingsElement, "addEventListener" | "removeEventListener" | "strings">;

// The sections, no more and no less, and all of their words.
declare const words: typeof lib & typeof settings & typeof videos;
words satisfies AiAvatarStrings;
declare const section: StringsSection;
section satisfies keyof typeof words;
declare const exported: keyof typeof words;
exported satisfies StringsSection;

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
