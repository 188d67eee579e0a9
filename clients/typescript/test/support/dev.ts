import { readFileSync } from "node:fs";

/** What `ai-avatar dev` writes into dev.json. */
export interface Dev {
	url: string;
	business_id: string;
	content_ids: [string, string, string];
	user_token: string;
	service_token: string;
}

/** Return the service that `test/service/run.ts` has found or started. */
export function readDev(): Dev {
	return JSON.parse(readFileSync(process.env.AI_AVATAR_DEV_JSON ?? "", "utf8"));
}
