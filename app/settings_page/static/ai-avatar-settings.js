// @ts-check
// The script that a host loads: it defines <ai-avatar-settings> (docs/settings-page.md).
import { AiAvatarSettings } from "./element/element.js";

AiAvatarSettings.define();

export { AiAvatarSettings };
