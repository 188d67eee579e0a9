import "server-only";
import { AiAvatarClient } from "ai-avatar-client";
import { cookies } from "next/headers";
import { redirect } from "next/navigation";
import { ACCESS_TOKEN, readClaims } from "./auth";
import { SERVICE_URL } from "./config";

/** The signed-in user's client, for one request. `proxy.ts` keeps the token fresh. */
export async function createClient(): Promise<AiAvatarClient> {
	const token = (await cookies()).get(ACCESS_TOKEN)?.value ?? null;
	return new AiAvatarClient({ baseUrl: SERVICE_URL, getAccessToken: () => token });
}

/** The signed-in user's business. A real application reads it from its own `profiles` and `businesses`. */
export async function getBusiness(): Promise<{ id: string; business_name: string }> {
	const claims = readClaims((await cookies()).get(ACCESS_TOKEN)?.value);
	if (!claims) redirect("/login");
	return { id: claims.app_metadata.business_id, business_name: claims.app_metadata.business_name };
}
