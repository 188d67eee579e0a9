// The file that a host loads. It defines <ai-avatar-settings>: docs/settings-page.md.
import { AiAvatarSettings } from "./element/element.js";

customElements.define("ai-avatar-settings", AiAvatarSettings);

export { AiAvatarSettings };
